"""Real vLLM behind the engine `endpoint`: the bytes of the default engine, also when the server is started anew."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.runs.keys import PROVENANCE, records_name
from tests.demo import Demo
from tests.vllm import Vllm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

MISSIONS = ("挡风板安装检查", "BBU接地线检查")


def command(demo: Demo, mission: str, store: Path, *more: str) -> list[str]:
    words = [sys.executable, "-m", "fieldcheck", "stage-a", "--mission", mission, "--input-root", demo.photos]
    words += ["--checkpoint", demo.checkpoint, "--device", "cpu", "--max-pixels", "82944", "--max-new-tokens", "96"]
    return [*words, "--hand-off.mode", "none", "--store", str(store), *more]


def on(server: Vllm, *more: str) -> list[str]:
    return ["--engine-kind", "endpoint", "--endpoint", server.url, *more]


def published(store: Path, mission: str) -> bytes:
    """The published file of the only run."""
    (file,) = store.glob(f"stage_a/{mission}/runs/*/{records_name(mission)}")
    return file.read_bytes()


@pytest.fixture(scope="module")
def expected(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the default engine publishes of each mission."""
    store = tmp_path_factory.mktemp("default")
    for mission in MISSIONS:
        subprocess.run(command(demo, mission, store), check=True, capture_output=True)
    return {mission: published(store, mission) for mission in MISSIONS}


@pytest.mark.parametrize("mission", MISSIONS)
def test_vllm_publishes_the_bytes_of_the_default_engine(
    demo: Demo, vllm: Vllm, expected: dict[str, bytes], mission: str, tmp_path: Path
) -> None:
    subprocess.run(command(demo, mission, tmp_path, *on(vllm)), check=True, capture_output=True)
    assert hashlib.sha256(published(tmp_path, mission)).digest() == hashlib.sha256(expected[mission]).digest()
    provenance = next(tmp_path.glob(f"stage_a/{mission}/runs/*/{PROVENANCE}")).read_text(encoding="utf-8")
    assert '"engine": "endpoint"' in provenance


def test_a_server_that_is_stopped_and_started_anew_in_mid_run_changes_nothing(
    demo: Demo, vllm: Vllm, expected: dict[str, bytes], tmp_path: Path
) -> None:
    mission = MISSIONS[0]
    before = vllm.answered()
    # Two requests at a time: the run is still under way when a third of it is answered.
    # A server takes a minute to start, and several on a busy machine: longer than the deadline is by default.
    own = ("--engine.endpoint.concurrency", "2", "--engine.endpoint.deadline-seconds", "1200")
    words = command(demo, mission, tmp_path / "store", *on(vllm, *own))
    with (tmp_path / "log").open("wb") as log:
        run = subprocess.Popen(words, stdout=log, stderr=log, env=dict(os.environ))
        try:
            while run.poll() is None and vllm.answered() < before + 15:
                time.sleep(0.05)
            vllm.process.popen.send_signal(signal.SIGTERM)
            vllm.process.popen.wait(120)
            assert run.poll() is None, "it was not in mid-run"
            vllm.start()
            assert run.wait(600) == 0, (tmp_path / "log").read_text()
        finally:
            run.kill()
    assert published(tmp_path / "store", mission) == expected[mission]
    assert 0 < vllm.answered() < 60, "the server that was started anew answered the rest, and not all again"
