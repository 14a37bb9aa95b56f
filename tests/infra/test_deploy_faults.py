"""A deploy that is refused or killed half-way: it says so, and the next one ends right, forwards and back."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from configs.missions import load_missions
from infra import deploy as deploying
from tests.infra.conftest import Server
from tests.servers import HOST
from tests.workers import REPOSITORY

MISSIONS = [mission.slug for mission in load_missions().values()]


@contextmanager
def refusing(url: str, allowed: int) -> Iterator[str]:
    """A way to the API at `url` that lets so many changes of deployments through and refuses the next; its URL."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            changing = self.command in ("PATCH", "PUT", "DELETE") and self.path.startswith("/api/deployments/")
            if changing:
                seen.append(self.path)
            if changing and len(seen) > allowed:
                status, content = 409, b'{"detail": "the database is read-only"}'
            else:
                headers = {key: one for key, one in self.headers.items() if key.lower() not in ("host", "connection")}
                answer = httpx.request(
                    self.command, url.removesuffix("/api") + self.path, content=body, headers=headers, trust_env=False
                )
                status, content = answer.status_code, answer.content
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass_on  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{HOST}:{server.server_port}/api"
        server.shutdown()


def another_cron(monkeypatch: pytest.MonkeyPatch, cron: str) -> None:
    """Have deploy read missions that all run at this time."""
    changed = {}
    for name, mission in load_missions().items():
        assert mission.schedule is not None
        changed[name] = mission.model_copy(update={"schedule": mission.schedule.model_copy(update={"cron": cron})})
    monkeypatch.setattr(deploying, "load_missions", lambda: changed)


def crons(server: Server) -> list[str]:
    return [server.schedule(f"stage-a/{slug}")["schedule"]["cron"] for slug in MISSIONS]


@pytest.mark.parametrize("back", [False, True], ids=["forwards", "back"])
def test_a_deploy_that_the_server_refuses_half_way_is_completed_by_the_next(
    server: Server, monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    server.reschedule("stage-a/rru-position", {"active": False})
    before = crons(server)
    with monkeypatch.context() as patch:
        another_cron(patch, "45 5 * * *")
        with refusing(server.site.env["PREFECT_API_URL"], allowed=3) as url:
            patch.setenv("PREFECT_API_URL", url)
            with temporary_settings({PREFECT_API_URL: url}):
                said = server.run(code=1)
        assert "stopped at deployment   stage-a/" in said
        assert "the database is read-only" in said
        assert "run the same again to complete it" in said
        assert "Traceback" not in said
        assert crons(server).count("45 5 * * *") == 3
        if not back:
            said = server.run()
            assert crons(server) == ["45 5 * * *"] * len(MISSIONS)
    if back:
        said = server.run()
        assert crons(server) == before
    assert "cron" not in " ".join(line for line in said.splitlines() if "KEPT" in line)
    assert server.schedule("stage-a/rru-position")["active"] is False


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("line", [1, 5, 8, 11, 16])
def test_a_deploy_that_is_killed_is_completed_by_the_next(server: Server, line: int) -> None:
    server.change("stage-a/air-baffle", {"paused": True})
    command = [sys.executable, "-m", "infra.deploy", "--nights", "off"]
    process = subprocess.Popen(command, cwd=REPOSITORY, env=server.site.env, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for _ in range(line):
        assert process.stderr.readline()
    process.kill()
    process.wait()
    said = server.run("--nights", "off")
    assert [line for line in said.splitlines() if "KEPT" in line] == [
        "             KEPT paused: True, changed by hand; the files say False"
    ]
    assert not any(server.schedule(f"stage-a/{slug}")["active"] for slug in MISSIONS)
    assert "ON for 6 of 7" in server.run("--nights", "on")
