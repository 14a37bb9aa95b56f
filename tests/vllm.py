"""A real vLLM server on the CPU, in the environment that `make vllm` makes, for tests of what asks a server."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.demo import Demo
from tests.processes import Process
from tests.servers import HOST, free_port
from tests.workers import REPOSITORY

_START_SECONDS = 600.0
_ENVIRONMENT_SECONDS = 1800.0


@dataclass
class Vllm:
    """The server, and where it is."""

    process: Process
    port: int

    @property
    def url(self) -> str:
        """As the engine `endpoint` takes it."""
        return f"http://{HOST}:{self.port}/v1"

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        self.process.start()
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self.process.popen.poll() is None:
            if self._read("/health") is not None:
                return
            time.sleep(0.5)
        pytest.fail(f"vLLM does not answer: {self.process.log.read_text(errors='replace')[-3000:]}")

    def answered(self) -> int:
        """Requests that it has answered since it started; 0 while it does not say."""
        lines = (self._read("/metrics") or "").splitlines()
        return sum(int(float(line.split()[-1])) for line in lines if line.startswith("vllm:request_success_total{"))

    def _read(self, path: str) -> str | None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://{HOST}:{self.port}{path}", timeout=5) as reply:
                return str(reply.read().decode())
        except OSError:
            return None


def python_of_vllm() -> Path:
    """The Python of the environment, which is made if it is not there. Skips where it cannot be."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip(f"vLLM for CPUs is locked for Linux on x86_64, and this is {sys.platform} on {platform.machine()}")
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    if flags is None or "avx2" not in flags[1].split():
        pytest.skip("vLLM for CPUs needs AVX2, and this CPU does not have it")
    made = subprocess.run(
        ["make", "vllm", "DEVICE=cpu", f"PYTHON={sys.executable}"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=_ENVIRONMENT_SECONDS,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"vLLM's environment cannot be made here: {made.stderr.strip()[-500:]}")
    return REPOSITORY / ".vllm" / "cpu" / "bin" / "python"


@contextmanager
def serving(checkpoint: str, folder: Path) -> Iterator[Vllm]:
    """vLLM with a checkpoint, as `make vllm-server` starts it; its log is in `folder`. It takes a minute or two."""
    python_of_vllm()
    port = free_port()
    command = [sys.executable, "-P", "-m", "infra.vllm.serve", "cpu", "--checkpoint", checkpoint]
    command += ["--port", str(port)]
    server = Vllm(Process(command, dict(os.environ) | {"VLLM_CPU_KVCACHE_SPACE": "1"}, folder / "vllm.log"), port)
    try:
        server.start()
        yield server
    finally:
        server.process.kill()


@pytest.fixture(scope="session")
def vllm(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vllm]:
    """vLLM with the demo checkpoint."""
    with serving(demo.checkpoint, tmp_path_factory.mktemp("vllm")) as server:
        yield server
