"""The Prefect server of a checkout: who may talk to it, and how the checkout's own processes do without typing."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from infra.own_server import Listener, OwnServer
from tests.processes import Process, below
from tests.servers import HOST, free_port, wait_for_http
from tests.workers import PREFECT, REPOSITORY

EVIL = "http://evil.test"


@dataclass
class Running:
    """A server that was started as `make server` does it."""

    own: OwnServer
    env: dict[str, str]
    process: Process

    @property
    def base(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self.own.port}"

    def ask(self, method: str, path: str, **more: object) -> httpx.Response:
        """An answer, without a proxy and without a password."""
        return httpx.request(method, f"{self.base}{path}", trust_env=False, timeout=60, **more)  # type: ignore[arg-type]


def outer_env(**more: str) -> dict[str, str]:
    """The environment of a person who has set nothing of Prefect or Fieldcheck."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "FIELDCHECK_"))}
    return {**kept, **more}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("own-server")
    own = OwnServer(folder / "prefect", free_port())
    env = outer_env(PREFECT_HOME=str(own.home), PREFECT_SERVER_API_PORT=str(own.port))
    process = Process([sys.executable, "-m", "infra.own_server"], env, folder / "server.log")
    process.start()
    try:
        wait_for_http(f"http://{HOST}:{own.port}/api/health", process.popen, process.log)
        yield Running(own, env, process)
    finally:
        process.stop()


def authorized(running: Running) -> dict[str, str]:
    """What a client with the password sends."""
    user, _, password = running.own.password().partition(":")
    request = httpx.Request("GET", running.base)
    return {"Authorization": next(httpx.BasicAuth(user, password).auth_flow(request)).headers["Authorization"]}


def test_the_password_is_for_its_user_alone_and_in_no_argument(running: Running) -> None:
    for path in (running.own.home / "password", running.own.env_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(running.own.home.stat().st_mode) == 0o700
    secret = running.own.password().partition(":")[2]
    assert len(secret) >= 32
    processes = [running.process.popen.pid, *below(running.process.popen.pid)]
    assert len(processes) >= 2
    assert not any(secret in Path(f"/proc/{pid}/cmdline").read_text() for pid in processes)


def test_without_the_password_nothing_is_read_or_changed(running: Running) -> None:
    assert running.ask("POST", "/api/flows/", json={"name": "x"}).status_code in (401, 403)
    assert running.ask("POST", "/api/flows/filter", json={}).status_code in (401, 403)
    assert running.ask("GET", "/api/admin/version").status_code == 401


@pytest.mark.parametrize("origin", [EVIL, f"{EVIL}:4200", "null", "http://127.0.0.1:1", "http://localhost:1"])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/json", ""])
def test_a_page_of_another_origin_is_refused_even_if_it_knows_the_password(
    running: Running, origin: str, kind: str
) -> None:
    headers = {"Origin": origin, **authorized(running), **({"Content-Type": kind} if kind else {})}
    answer = running.ask("POST", "/api/flows/", content=json.dumps({"name": "attack"}), headers=headers)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_a_preflight_of_another_origin_is_refused(running: Running) -> None:
    headers = {
        "Origin": EVIL,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = running.ask("OPTIONS", "/api/flows/", headers=headers)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("host", ["evil.test", "evil.test:4200", "127.0.0.1.evil.test", "localhost.evil.test", ""])
@pytest.mark.parametrize("path", ["/", "/api/health", "/api/flows/", "/ui-settings", "/fieldcheck/proof"])
def test_a_name_that_was_made_to_point_here_is_refused(running: Running, host: str, path: str) -> None:
    assert running.ask("GET", path, headers={"Host": host}).status_code in (400, 403)


@pytest.mark.parametrize("path", ["events/in", "events/out", "logs/out"])
@pytest.mark.parametrize(("name", "headers"), [(HOST, {"Origin": EVIL}), ("evil.test", {})])
def test_websockets_of_another_origin_are_closed_before_they_open(
    running: Running, path: str, name: str, headers: Mapping[str, str]
) -> None:
    url = f"ws://{name}:{running.own.port}/api/{path}"
    there = socket.create_connection((HOST, running.own.port))
    with pytest.raises(InvalidStatus, match="403"), connect(url, sock=there, additional_headers=headers):
        pass


def test_websockets_want_the_password_too(running: Running) -> None:
    url = f"ws://{HOST}:{running.own.port}/api/events/in"
    with connect(url, subprotocols=["prefect"], proxy=None) as socket:  # type: ignore[list-item]
        socket.send(json.dumps({"type": "auth", "token": "wrong"}))
        with pytest.raises(Exception, match="1008"):
            socket.recv(timeout=30)


def test_a_change_wants_a_token_that_no_other_page_can_read(running: Running) -> None:
    answer = running.ask("POST", "/api/flows/", json={"name": "x"}, headers=authorized(running))
    assert (answer.status_code, answer.json()) == (403, {"detail": "Missing CSRF token."})


def test_its_own_page_is_answered_under_either_name(running: Running) -> None:
    for name in (HOST, "localhost"):
        place = f"{name}:{running.own.port}"
        headers = {"Host": place, "Origin": f"http://{place}", **authorized(running)}
        answer = running.ask("POST", "/api/flows/filter", json={}, headers=headers)
        assert "Missing CSRF" in answer.text
        assert running.ask("GET", "/api/admin/version", headers=headers).status_code == 200
    assert running.ask("GET", "/ui-settings").json()["api_url"] == "/api"


def test_the_login_link_leads_to_a_page_that_nobody_frames_or_keeps(running: Running) -> None:
    url, _, secret = running.own.login_url().partition("#")
    answer = httpx.get(url, trust_env=False)
    assert "prefect-password" in answer.text
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert secret
    assert "#" not in str(answer.request.url)


def test_a_shell_that_has_read_the_file_needs_no_typing(running: Running) -> None:
    script = f". {running.own.env_file} && {PREFECT} --no-prompt work-pool create --type process by-hand"
    done = subprocess.run(["sh", "-c", script], env=outer_env(), cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "by-hand" in done.stdout


def test_a_shell_that_has_not_is_told_what_to_say(running: Running, tmp_path: Path) -> None:
    manifest = tmp_path / "stage_a" / "m" / "runs" / "r" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    command = [sys.executable, "-m", "fieldcheck", "stage-b", "--manifest", str(manifest), "--no-judge.enabled"]
    env = outer_env(PREFECT_API_URL=running.own.url, PREFECT_HOME=str(tmp_path / "prefect"))
    done = subprocess.run(command, env=env, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "PrefectUnavailable: the Prefect API wants a password: say `. .prefect/env`" in done.stderr
    assert "Traceback" not in done.stderr


def as_client(env: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """What `make deploy` and `make worker` run their parts through."""
    command = [sys.executable, "-m", "infra.as_client", *words]
    return subprocess.run(command, env=env, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)


def test_a_client_is_given_address_and_password(running: Running) -> None:
    done = as_client(running.env, "prefect", "work-pool", "ls")
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_knows_its_server_without_telling_the_password(running: Running, tmp_path: Path) -> None:
    assert running.own.listener() is Listener.OURS
    assert OwnServer(tmp_path / "another-checkout", running.own.port).listener() is Listener.ANOTHER
    assert OwnServer(running.own.home, free_port()).listener() is Listener.NOBODY


@pytest.mark.parametrize("module", ["infra.own_server", "infra.up", "infra.as_client"])
def test_another_program_on_the_port_is_told_and_gets_no_password(tmp_path: Path, module: str) -> None:
    heard: list[str] = []

    class Foreign(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(f"{self.path} {self.headers}")
            self.send_response(200)  # as a Prefect without a guard does for what it does not know
            self.end_headers()
            self.wfile.write(b"true")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((HOST, 0), Foreign) as foreign:
        threading.Thread(target=foreign.serve_forever, daemon=True).start()
        own = OwnServer(tmp_path / "prefect", foreign.server_port)
        env = outer_env(PREFECT_HOME=str(own.home), PREFECT_SERVER_API_PORT=str(own.port))
        words = ["infra.deploy"] if module == "infra.as_client" else []
        done = subprocess.run(
            [sys.executable, "-m", module, *words], env=env, cwd=REPOSITORY, capture_output=True, text=True
        )
        foreign.shutdown()
    assert done.returncode == 2
    assert f"port {own.port} is taken by another program" in done.stderr
    assert "PORT=" in done.stderr
    assert "Traceback" not in done.stderr
    assert own.password().partition(":")[2] not in "".join(heard)


def test_a_port_where_something_listens_that_never_answers_is_another_programs(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind((HOST, 0))
        silent.listen()
        assert OwnServer(tmp_path, silent.getsockname()[1]).listener() is Listener.ANOTHER


def test_nobody_there_is_told_with_the_cure(tmp_path: Path) -> None:
    done = as_client(outer_env(PREFECT_HOME=str(tmp_path), PREFECT_SERVER_API_PORT=str(free_port())), "infra.deploy")
    assert done.returncode == 2
    assert "`make server` starts one" in done.stderr


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x", "４２００"])
def test_a_port_that_is_none_is_a_fault(tmp_path: Path, port: str) -> None:
    done = as_client(outer_env(PREFECT_HOME=str(tmp_path), PREFECT_SERVER_API_PORT=port), "infra.deploy")
    assert done.returncode == 2
    assert "PREFECT_SERVER_API_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_one_port_moves_api_ui_and_clients_together(tmp_path: Path) -> None:
    own = OwnServer(tmp_path, 4311)
    server, client = own.server_env(), own.client_env()
    assert server["PREFECT_SERVER_API_PORT"] == "4311"
    assert server["PREFECT_UI_URL"] == "http://127.0.0.1:4311"
    assert client["PREFECT_API_URL"] == "http://127.0.0.1:4311/api"


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    own = OwnServer(tmp_path / "home", 1)
    before = own.password()
    (own.home / "password").chmod(0o644)
    assert own.password() == before
    assert stat.S_IMODE((own.home / "password").stat().st_mode) == 0o600


@pytest.mark.parametrize("target", ["ui", "server", "login", "deploy", "worker", "up"])
def test_make_gives_one_port_to_all_of_them_whatever_the_shell_has_exported(target: str) -> None:
    env = outer_env(PREFECT_API_URL="http://127.0.0.1:4200/api")
    done = subprocess.run(["make", "-n", target, "PORT=4311"], env=env, cwd=REPOSITORY, capture_output=True, text=True)
    assert "env -u PREFECT_API_URL PREFECT_SERVER_API_PORT=4311 " in done.stdout
    plain = subprocess.run(["make", "-n", target], env=env, cwd=REPOSITORY, capture_output=True, text=True)
    assert "PREFECT_SERVER_API_PORT=4200 " in plain.stdout
    assert "env -u" not in plain.stdout
