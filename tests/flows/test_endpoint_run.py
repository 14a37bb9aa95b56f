"""Runs whose photos a server is asked about: a run after one that was given up, and what is told before any photo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks.local_store import LocalStore
from configs.parts import EndpointConfig, EngineConfig, ModelConfig
from flows.dense_caption import dense_caption
from flows.stage_a import stage_a
from tasks.engines.open import close_engines
from tasks.records.errors import EndpointRefused
from tests.flows.conftest import MISSION
from tests.tasks.engines.faulty import Script, chat, faulty, status

pytestmark = pytest.mark.usefixtures("prefect_harness")


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


def test_after_a_server_that_was_given_up_on_the_next_run_asks_for_the_rest_alone(
    server: Script, given: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    given["mission"] = MISSION
    server.acts = [status(200, chat("BBU设备×1"))] * 4 + [status(401)]
    with pytest.raises(EndpointRefused):
        stage_a(**given)
    assert "4 photos of this shard were answered and are kept" in caplog.text
    summary = stage_a(**given)
    assert summary["reused"] == 4
    assert len(server.asked) == 4 + 1 + summary["inferred"]


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
