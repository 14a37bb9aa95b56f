"""Prefect process workers for tests and benchmarks, by the README's own commands. Knows no photos."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PREFECT = str(Path(sys.executable).parent / "prefect")


def make_pool(pool: str, deployment: str, environment: Mapping[str, str]) -> None:
    """A process work pool, and a deployment of `infer-piece` of the given name on it."""
    for words in (
        ["work-pool", "create", "--type", "process", pool],
        ["deploy", "flows.infer_piece.infer_piece", "-n", deployment, "-p", pool],
    ):
        command = [PREFECT, "--no-prompt", *words]
        subprocess.run(command, check=True, env=environment, cwd=REPOSITORY, stdout=subprocess.DEVNULL, timeout=120)


@contextmanager
def worker(pool: str, environment: Mapping[str, str], log: Path) -> Iterator[None]:
    """A worker that does one piece at a time on one thread; it ends with all that it started."""
    command = [PREFECT, "worker", "start", "--pool", pool, "--limit", "1", "--type", "process"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**environment, "OMP_NUM_THREADS": "1"},
            cwd=REPOSITORY,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
