"""Prefect as it is for a person's terminal: the server that a process brings along, and what its flows see of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    get_current_settings,
    temporary_settings,
)

from blocks.embedded_server import has_shared_server
from flows.terminal import embedded
from tests.blocks.test_tether import gone
from tests.terminal import Terminal
from tests.workers import REPOSITORY

AT_ONCE = 30.0

LOOK = """
import json, os
import httpx
from prefect.settings import get_current_settings
from blocks.embedded_server import _running, has_shared_server
from blocks.standalone import flow

def status(**headers):
    body = {"name": "x"}
    url = os.environ["PREFECT_API_URL"] + "/flows/"
    return httpx.post(url, json=body, headers=headers, trust_env=False).status_code

@flow(name="inner")
def inner():
    return _running[0].process.pid

@flow(name="look")
def look():
    told = get_current_settings()
    password = told.api.auth_string.get_secret_value().split(":")
    own = httpx.BasicAuth(*password)._auth_header
    return {
        "shared": has_shared_server(),
        "heartbeat": told.flows.heartbeat_frequency,
        "ui": told.ui_url,
        "without": status(),
        "with": status(Authorization=own),
        "origin": status(Authorization=own, Origin="http://evil.test"),
        "host": status(Authorization=own, Host="evil.test"),
        "server": inner(),
    }
"""
TWICE = f"{LOOK}\nfirst, second = look(), look()\nassert first['server'] == second['server']\nprint(json.dumps(first))"
STAY = (
    f"{LOOK}\nimport time\n@flow(name='stay')\n"
    "def stay():\n    print('PID', inner(), flush=True)\n    time.sleep(3600)\n"
)
STAY_PROGRAM = f"{STAY}\nfrom blocks.program import run_program\nrun_program(stay, 'test')"


def env_without_server(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a person who has no Prefect server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "FIELDCHECK_"))}
    return {**kept, "PREFECT_HOME": str(folder / "prefect"), **more}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Prefect's database is: made once."""
    return tmp_path_factory.mktemp("terminal")


def test_a_server_that_others_watch_is_left_as_it_is() -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api", PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 77}):
        with embedded():
            assert get_current_settings().flows.heartbeat_frequency == 77
            assert has_shared_server()
        assert get_current_settings().flows.heartbeat_frequency == 77


def test_a_call_from_python_brings_a_server_that_nobody_else_can_use(folder: Path) -> None:
    # Proxies that lead nowhere: what is on this machine is reached without them.
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:1")
    env = env_without_server(folder, ALL_PROXY="socks5://127.0.0.1:1", **proxies)
    env = {name: value for name, value in env.items() if name.lower() != "no_proxy"}
    done = subprocess.run([sys.executable, "-c", TWICE], env=env, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Unable" not in done.stderr
    told = json.loads(done.stdout)
    assert gone(told.pop("server"))
    assert told == {
        "shared": False,
        "heartbeat": None,
        "ui": "",
        "without": 401,
        "with": 201,
        "origin": 403,
        "host": 403,
    }


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_who_interrupts_a_run_is_not_kept_waiting_and_no_server_is_left(folder: Path, number: signal.Signals) -> None:
    with Terminal([sys.executable, "-c", STAY_PROGRAM], env_without_server(folder), REPOSITORY) as terminal:
        terminal.until(lambda: "PID" in terminal.text and terminal.text.split("PID")[1].strip() != "")
        server = int(terminal.text.split("PID")[1].split()[0])
        if number is signal.SIGINT:
            terminal.press_ctrl_c()
        else:
            terminal.send(number)
        assert terminal.code(AT_ONCE) == 128 + number
    assert terminal.text.rstrip().endswith("test: interrupted")
    assert "Traceback" not in terminal.text
    assert gone(server)


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_no_server(folder: Path) -> None:
    with Terminal([sys.executable, "-c", f"{STAY}\nstay()"], env_without_server(folder), REPOSITORY) as terminal:
        terminal.until(lambda: "PID" in terminal.text and terminal.text.split("PID")[1].strip() != "")
        server = int(terminal.text.split("PID")[1].split()[0])
        terminal.send(signal.SIGKILL)
        terminal.code(AT_ONCE)
    assert gone(server)


@pytest.mark.slow
def test_a_server_that_does_not_start_is_told_with_the_folder_and_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "prefect.db").write_text("this is no database, it is a text that is long enough")
    manifest = tmp_path / "stage_a/x/runs/y/manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    asked = [sys.executable, "-m", "flows.cli", "stage-b", "--manifest", str(manifest), "--no-judge.enabled"]
    done = subprocess.run(asked, env=env_without_server(tmp_path), cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 1
    assert "PrefectUnavailable: the Prefect server inside this process did not start" in done.stderr
    assert str(tmp_path / "prefect") in done.stderr
    assert "Traceback" not in done.stderr
