"""How vLLM's server is started. The server itself runs in tests/flows/test_vllm.py."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from infra.vllm import serve
from tests.demo import Demo


class Became(Exception):
    """What the process would have become."""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the command line, and gives the exit code, or the words and variables that the server would have."""

    def become(path: str, words: Sequence[str], env: dict[str, str]) -> None:
        raise Became(words, env)

    monkeypatch.setattr(os, "execve", become)

    def start(*words: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["serve", *words])
        try:
            return serve.main()
        except Became as became:
            return became.args

    return start


def after(words: Sequence[str], flag: str) -> str:
    return words[words.index(flag) + 1]


def test_a_server_serves_one_photo_a_request_greedily_as_the_engine_asks(demo: Demo, started: Any) -> None:
    words, env = started("cpu", "--checkpoint", demo.checkpoint, "--python", sys.executable, "--port", "8123")
    assert words[:4] == [sys.executable, "-P", "-m", "vllm.entrypoints.openai.api_server"]
    assert (after(words, "--host"), after(words, "--port")) == ("127.0.0.1", "8123")
    assert json.loads(after(words, "--limit-mm-per-prompt")) == {"image": 1, "video": 0}
    assert after(words, "--generation-config") == "vllm"
    assert after(words, "--max-model-len") == "4096", "no more than the checkpoint was made for"
    assert after(words, "--dtype") == "float32"
    assert (env["HF_HUB_OFFLINE"], env["VLLM_NO_USAGE_STATS"]) == ("1", "1")


def test_a_gpu_compiles_and_words_of_ones_own_come_last(demo: Demo, started: Any) -> None:
    own = ("--max-model-len", "2048", "--api-key", "x")
    words, env = started("gpu", "--checkpoint", demo.checkpoint, "--python", sys.executable, "--", *own)
    assert tuple(words[-4:]) == own
    assert not {"--enforce-eager", "--dtype"} & set(words)
    assert "VLLM_CPU_KVCACHE_SPACE" not in env.keys() - os.environ.keys()


@pytest.mark.parametrize("which", ["adapter", "nothing", "code", "no environment"])
def test_what_cannot_be_served_is_told_in_a_line(
    demo: Demo, started: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], which: str
) -> None:
    folder, python = tmp_path / "checkpoint", sys.executable
    if which == "code":
        shutil.copytree(demo.checkpoint, folder, ignore=shutil.ignore_patterns("*.safetensors"))
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoConfig": "x.y"}}), encoding="utf-8")
    elif which == "adapter":
        folder = Path(demo.adapter)
    elif which == "no environment":
        folder, python = Path(demo.checkpoint), str(tmp_path / "python")
    assert started("cpu", "--checkpoint", str(folder), "--python", python) == 2
    told = {
        "adapter": "merge it first",
        "nothing": "config.json",
        "code": "config.json names code of its own (auto_map)",
    }
    (line,) = capsys.readouterr().err.splitlines()
    assert told.get(which, "make vllm-server DEVICE=cpu") in line
