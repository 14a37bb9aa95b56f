"""The commands about checkpoints, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flows.cli import main
from tests.demo import Demo
from tests.merging import Merging


def last_line(text: str) -> dict[str, Any]:
    """The JSON object at the end of stdout."""
    found: dict[str, Any] = json.loads(text.splitlines()[-1])
    return found


def test_a_merge_that_was_made_is_found(merging: Merging, demo: Demo, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["merge", "--checkpoint", demo.checkpoint, "--adapters", demo.adapter]
    assert main([*asked, f"--merge.root={merging.config.root}", "--device=cpu"]) == 0
    found = last_line(capsys.readouterr().out)
    assert (found["path"], found["fresh"], found["parity"]["share"]) == (merging.merged.path, False, 1.0)


def test_a_checkpoint_is_looked_at_and_compared_with_its_base(
    merging: Merging, demo: Demo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", merging.merged.path, "--base", demo.checkpoint]) == 0
    assert last_line(capsys.readouterr().out)["kind"] == "merged"
    changed = tmp_path / "changed"
    changed.mkdir()
    for file in Path(demo.adapter).iterdir():
        (changed / file.name).write_bytes(file.read_bytes())
    (changed / "chat_template.jinja").write_text("another")
    assert main(["inspect", str(changed), "--base", demo.checkpoint]) == 1
    shown = capsys.readouterr()
    assert "chat_template.jinja" in shown.err
    assert "chat_template.jinja" in str(last_line(shown.out)["refused"])
