"""A real `swift deploy` of a checkpoint, for tests of what asks a server. Knows no test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from configs.parts import EndpointConfig, EngineConfig
from tests.demo import Demo
from tests.servers import HOST, free_port

_START_SECONDS = 240.0


@pytest.fixture(scope="session")
def deployed(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineConfig]:
    """How to reach a `swift deploy` of the demo checkpoint. It takes about half a minute to start."""
    with deploy([], demo.checkpoint, tmp_path_factory.mktemp("deploy")) as config:
        yield config


@pytest.fixture(scope="session")
def deploy_with(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., EngineConfig]]:
    """Starts more of them, with options of their own; all end with the session."""
    with ExitStack() as stack:

        def start(*options: str, checkpoint: str = demo.checkpoint) -> EngineConfig:
            return stack.enter_context(deploy(options, checkpoint, tmp_path_factory.mktemp("deploy")))

        yield start


@contextmanager
def deploy(options: Sequence[str], checkpoint: str, folder: Path) -> Iterator[EngineConfig]:
    """`swift deploy` in a process group of its own, so that none of its children outlives it."""
    port = free_port()
    log = folder / "deploy.log"
    program = Path(sys.executable).with_name("swift")
    command = [str(program), "deploy", "--model", str(Path(checkpoint).resolve()), "--model_type", "qwen3_vl"]
    command += ["--infer_backend", "transformers", "--max_batch_size", "8", "--use_hf", "true"]
    command += ["--host", HOST, "--port", str(port), *options]
    environment = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | environment,
            cwd=folder,
            start_new_session=True,
        )
    try:
        url = f"http://{HOST}:{port}/v1"
        _wait(f"{url}/models", process, log)
        yield EngineConfig(kind="endpoint", endpoint=EndpointConfig(url=url, concurrency=8, deadline_seconds=60))
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"no server at {url}: {log.read_text(errors='replace')[-2000:]}")
