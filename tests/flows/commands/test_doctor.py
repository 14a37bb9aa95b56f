"""The command that looks at this machine and its engine, as a person types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flows.cli import main
from tests.demo import Demo
from tests.tasks.engines.faulty import TEXT, faulty, status

MISSION = "挡风板安装检查"


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any], str]:
    code = main(["doctor", *words])
    out, told = capsys.readouterr()
    return code, json.loads(out.splitlines()[-1]) if out else {}, told


def test_it_says_what_there_is_without_a_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    code, found, told = run(capsys, "--device", "cpu")
    assert code == 0
    assert found["versions"].keys() >= {"python", "torch", "transformers", "ms-swift", "fieldcheck"}
    assert found["device"]["device"] == "cpu"
    assert found["engines"]["transformers"] is found["engines"]["reference"] is None
    assert found["checkpoints"] == []
    assert "engine transformers: can be opened (configured)" in told
    assert "engine endpoint: no server is named" in told


def test_an_adapter_of_another_base_is_wrong_and_nothing_is_compared(
    demo: Demo, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for file in Path(demo.adapter).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    words = json.loads((Path(demo.checkpoint) / "tokenizer_config.json").read_text(encoding="utf-8"))
    words["eos_token"] = "<|endoftext|>"
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(words), encoding="utf-8")
    given = ["--device", "cpu", "--checkpoint", demo.checkpoint]
    code, found, told = run(capsys, *given, "--adapters", str(tmp_path), "--compare", "3")
    assert code == 1
    assert found["checkpoints"][1]["refused"]
    assert "refused: " in told
    assert "compared" not in found


def test_a_server_that_does_not_serve_the_model_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    with faulty() as script:
        words = ["--device", "cpu", "--engine-kind", "endpoint", "--endpoint", script.url]
        assert run(capsys, *words)[0] == 0
        code, found, told = run(capsys, *words, "--engine.endpoint.model", "gpt")
    assert code == 1
    assert "does not serve gpt; it serves demo" in found["engines"]["endpoint"]
    assert "(configured)" in told


def test_the_engine_says_what_the_reference_says(demo: Demo, capsys: pytest.CaptureFixture[str]) -> None:
    photos = str(Path(demo.photos) / MISSION)
    words = ["--device", "cpu", "--checkpoint", demo.checkpoint, "--photos", photos, "--mission", MISSION]
    code, found, told = run(capsys, *words, "--compare", "3", "--max-new-tokens", "24")
    assert code == 0
    assert found["compared"] == {"photos": 3, "same": 3, "different": 0, "differences": []}
    assert "3 of 3 photos with the text of the reference, 0 with another" in told
    assert told.count("same     ") == 3


def test_where_a_server_says_something_else_is_shown(demo: Demo, capsys: pytest.CaptureFixture[str]) -> None:
    """Drawn pictures, of which one is refused by the server."""
    with faulty() as script:
        script.acts = [status(422)]
        server = ["--engine-kind", "endpoint", "--endpoint", script.url, "--engine.endpoint.concurrency", "1"]
        given = ["--device", "cpu", "--checkpoint", demo.checkpoint, "--max-new-tokens", "8", "--compare", "2"]
        code, found, told = run(capsys, *given, *server)
    assert code == 1
    refused, other = sorted(found["compared"]["differences"], key=lambda one: one["ours"]["ended"])
    assert found["compared"]["different"] == 2
    assert refused["ours"]["ended"] == "request_refused"
    assert other["ours"]["ended"] == "stop"
    assert TEXT[other["at"] :].startswith(other["ours"]["text"])
    assert "differs  drawn-1.png, from character" in told


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--compare", "2"], "model.base: is not given"),
        (["--compare", "2", "--engine-kind", "reference"], "engine.kind: reference is what others are compared with"),
        (["--compare", "2", "--engine-kind", "endpoint", "--endpoint", "http://127.0.0.1:9/v1"], "for the reference"),
        (["--photos", "nowhere"], "photos: there is no folder nowhere"),
        (["--mission", "挡风板安装"], "mission: there is no mission"),
        (["--checkpoint", "nowhere"], "model.base: there is no folder nowhere"),
    ],
)
def test_what_cannot_be_compared_is_told_before_anything_is_loaded(
    capsys: pytest.CaptureFixture[str], words: list[str], fault: str
) -> None:
    code, _, told = run(capsys, *words)
    assert code == 2
    assert fault in told
