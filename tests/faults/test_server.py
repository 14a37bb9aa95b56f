"""A Prefect server that is killed in mid-run, and comes back or not. Knows the server by its port alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from blocks.local_store import LocalStore
from tests.faults.runs import LOST, SHARD, Launcher, Run, check_all, inferred_again, published, sequence
from tests.servers import HOST, free_port, wait_for_http

MOST_SECONDS = 840.0
"""A run whose server stays dead ends by itself within this time."""
IN_FLIGHT_SECONDS = 30.0
"""Prefect's client tries for longer than this to reach a server that is gone."""


class PrefectServer:
    """A server of this test's own, on its own database, that can be killed and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self.start()

    @property
    def env(self) -> Mapping[str, str]:
        """What leads a child to this server."""
        return {"PREFECT_API_URL": f"http://{HOST}:{self._port}/api"}

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = self._folder / "server.log"
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(self._port)]
        own = {"PREFECT_HOME": str(self._folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"} | own
        with log.open("ab") as output:
            # A group of its own: the command starts uvicorn in a second process.
            self._process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )
        wait_for_http(f"http://{HOST}:{self._port}/api/health", self._process, log)

    def kill(self) -> None:
        """SIGKILL to all of it."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PrefectServer]:
    """A server that the test may kill."""
    folder = tmp_path / "prefect"
    folder.mkdir()
    running = PrefectServer(folder)
    yield running
    running.kill()


def started(launcher: Launcher, server: PrefectServer, store: Path) -> Run:
    """A run that has just gone beyond its first shard."""
    run = launcher.start(store, env=server.env, stage_b=True)
    assert run.until(lambda: len(run.inferred) > SHARD), run.stderr
    return run


def check_finished(runs: list[Run], store: LocalStore, reference: Mapping[str, bytes]) -> None:
    """The reference's bytes, once, and one shard inferred again at most."""
    assert published(store) == reference
    assert sequence(store) == 1
    assert all(photos <= LOST for photos in inferred_again(runs))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_server_that_comes_back_costs_nothing(
    launcher: Launcher, server: PrefectServer, reference: Mapping[str, bytes], tmp_path: Path
) -> None:
    store = LocalStore(tmp_path / "store")
    run = started(launcher, server, tmp_path / "store")
    server.kill()
    server.start()
    runs = [run]
    if run.wait(MOST_SECONDS) != 0:
        check_all(store)
        runs.append(launcher.start(store.uri, env=server.env, stage_b=True))
        assert runs[1].wait() == 0, runs[1].stderr
    check_finished(runs, store, reference)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_server_that_stays_dead_holds_nobody_up_for_ever(
    launcher: Launcher,
    server: PrefectServer,
    reference: Mapping[str, bytes],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    store = LocalStore(tmp_path / "store")
    run = started(launcher, server, tmp_path / "store")
    server.kill()
    # Whoever cannot be shown the progress holds up no inference: the shard in flight is done as if nothing were.
    assert run.until(lambda: len(list(tmp_path.glob("store/stage_a/*/index/*/*.json"))) >= 2, IN_FLIGHT_SECONDS)
    record_property("exit_code", run.wait(MOST_SECONDS))
    record_property("seconds", round(run.seconds, 1))
    record_property("inferred", len(set(run.inferred)))
    if run.code != 0:
        assert "PrefectUnavailable" in run.complaint
        assert "Traceback" not in run.stderr
    check_all(store)
    again = launcher.start(store.uri, stage_b=True)
    assert again.wait() == 0, again.stderr
    check_finished([run, again], store, reference)
