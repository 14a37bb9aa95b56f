"""Runs whose photos a server is asked about: one that it will not answer for, and what is told before any photo."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks.local_store import LocalStore
from configs.parts import EndpointConfig, EngineConfig, ModelConfig, PublishingConfig
from flows.dense_caption import dense_caption
from flows.stage_a import stage_a
from tasks.engines.open import close_engines
from tasks.records.errors import EndpointRefused
from tests.flows.conftest import MISSION
from tests.tasks.engines.faulty import Act, Script, chat, faulty, status

pytestmark = pytest.mark.usefixtures("prefect_harness")

FILTERED = status(400, {"error": {"code": "data_inspection_failed", "message": "request 7f3a"}})
CAPTION = json.dumps({"object_1": {"desc": "BBU设备", "bbox_2d": [10, 20, 990, 200]}}, ensure_ascii=False)


@pytest.fixture
def server() -> Iterator[Script]:
    with faulty(owned_by="vllm") as script:
        yield script
    close_engines()


@pytest.fixture
def given(server: Script, small_root: Path, tmp_path: Path) -> dict[str, Any]:
    """What both kinds of run have in common. Nothing is known of the checkpoint."""
    endpoint = EndpointConfig(url=server.url, concurrency=1)
    return {
        "input_root": str(small_root),
        "store": str(tmp_path / "store"),
        "model": ModelConfig(),
        "engine": EngineConfig(kind="endpoint", endpoint=endpoint),
    }


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def filtering(server: Script, answer: Act) -> None:
    """The server filters the first picture that it sees, each time, and answers for the others."""
    first: list[str] = []

    def rule(body: dict[str, Any]) -> Act:
        picture = body["messages"][1]["content"][0]["image_url"]["url"]
        first.append(picture)
        return FILTERED if picture == first[0] else answer

    server.rule = rule


def test_a_photo_that_the_server_filters_is_quarantined_and_asked_again_by_the_next_run_alone(
    server: Script, given: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    given |= {"mission": MISSION, "publishing": PublishingConfig(max_quarantine_fraction=1.0)}
    answer = status(200, chat("BBU设备×1"))
    filtering(server, answer)
    first = stage_a(**given)
    bad = lines(Path(first["manifest"]).parent, "quarantine.jsonl")
    (filtered,) = [line for line in bad if line["reason"] == "content_refused"]
    # What the engine warns of is in the run's own log, and there it is once.
    told = [record.name for record in caplog.records if "has no answer for a photo: 400" in record.getMessage()]
    assert told == ["prefect.task_runs"]
    assert filtered["detail"] == "the server has no answer for it: HTTP 400, code data_inspection_failed"
    asked = len(server.asked)
    assert stage_a(**given)["sha256"] == first["sha256"]  # the server's own words are not in what is published
    assert len(server.asked) == asked + 1
    server.rule = lambda body: answer
    mended = stage_a(**given)
    assert len(server.asked) == asked + 2
    assert mended["quarantined"] == first["quarantined"] - 1
    left = lines(Path(mended["manifest"]).parent, "quarantine.jsonl")
    assert filtered["key"] not in [line["key"] for line in left]


def test_after_a_server_that_was_given_up_on_the_next_run_asks_for_the_rest_alone(
    server: Script, given: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    given["mission"] = MISSION
    server.acts = [status(200, chat("BBU设备×1"))] * 4 + [status(401)]
    with pytest.raises(EndpointRefused):
        stage_a(**given)
    assert "4 photos of this shard were summarised and are kept" in caplog.text
    summary = stage_a(**given)
    assert summary["reused"] == 4
    assert len(server.asked) == 4 + 1 + summary["inferred"]


def test_a_photo_without_a_dense_caption_is_rejected_and_asked_again_by_the_next_run_alone(
    server: Script, given: dict[str, Any], tmp_path: Path
) -> None:
    given |= {"name": "set", "overlays": False}
    answer = status(200, chat(CAPTION))
    filtering(server, answer)
    first = dense_caption(**given)
    rejected = lines(Path(first["manifest"]).parent, "rejected.jsonl")
    assert [line["reason"] for line in rejected].count("content_refused") == 1
    asked = len(server.asked)
    server.rule = lambda body: answer
    mended = dense_caption(**given)
    assert len(server.asked) == asked + 1
    assert mended["captioned"] == first["captioned"] + 1


@pytest.mark.parametrize("what", ["url", "model", "key"])
@pytest.mark.parametrize("flow", [stage_a, dense_caption])
def test_a_server_that_is_not_the_right_one_is_told_before_a_photo_is_read(
    server: Script, given: dict[str, Any], flow: Any, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = EndpointConfig(url=server.url)
    if what == "url":
        listed = status(200, {"data": [{"id": "demo"}]})
        server.models = lambda handler: (listed if handler.path == "/v1/models" else status(404))(handler)
        endpoint = EndpointConfig(url=server.url.removesuffix("/v1"), model="demo")
    elif what == "model":
        endpoint = EndpointConfig(url=server.url, model="gpt")
    else:
        server.models = status(401)
    read: list[str] = []
    monkeypatch.setattr(LocalStore, "list", lambda self, *args: read.append("list") or iter(()))
    monkeypatch.setattr(LocalStore, "read", lambda self, *args: read.append("read") or b"")
    given["engine"] = EngineConfig(kind="endpoint", endpoint=endpoint)
    if flow is stage_a:
        given["mission"] = MISSION
    with pytest.raises(EndpointRefused):
        flow(**given)
    assert not read
    assert not server.asked
