"""`make up` in one terminal, attacked by a real browser's pages, used without typing, and ended by Ctrl-C. Slow."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.browser import browser
from tests.demo import Demo
from tests.processes import processes_with
from tests.servers import HOST, free_port
from tests.terminal import Terminal
from tests.workers import PREFECT, REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ATTACK = Path(__file__).with_name("attack.js")
MISSION = "挡风板安装检查"


@pytest.fixture(scope="module")
def env(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a person on a port of their own; runs read the demo's photos."""
    folder = tmp_path_factory.mktemp("up")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "FIELDCHECK_"))}
    return {
        **kept,
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_API_PORT": str(free_port()),
        "FIELDCHECK_STORE": str(folder / "store"),
        "FIELDCHECK_INPUT_ROOT": demo.photos,
        "FIELDCHECK_MODEL__BASE": demo.checkpoint,
        "FIELDCHECK_HAND_OFF__MODEL__BASE": demo.judge,
        "FIELDCHECK_ANSWER_KEY": demo.answers,
        "OMP_NUM_THREADS": "1",
    }


def make_up(env: dict[str, str]) -> Terminal:
    """`make up`, without make."""
    return Terminal([sys.executable, "-m", "blocks.program", "infra.up", "--site", "local"], env, REPOSITORY)


@pytest.fixture(scope="module")
def up(env: dict[str, str]) -> Iterator[Terminal]:
    """A site that is up, with its worker."""
    with make_up(env) as terminal:
        terminal.until("Worker", 300)
        reading = threading.Thread(target=_keep_reading, args=(terminal,), daemon=True)
        reading.start()
        yield terminal
        terminal.send(signal.SIGTERM)
        reading.join(60)


def _keep_reading(terminal: Terminal) -> None:
    """A screen that nobody reads holds up what writes to it."""
    terminal.code(3600)


def login_url(terminal: Terminal) -> str:
    """The link that a person clicks."""
    found = re.search(r"up: the UI: (\S+)", terminal.text)
    assert found
    return found[1]


def typed(env: dict[str, str], command: str) -> str:
    """What a command says in a shell that has read the site's file."""
    told = {name: value for name, value in env.items() if not name.startswith("PREFECT_")}
    script = f". {env['PREFECT_HOME']}/env && {command}"
    done = subprocess.run(["sh", "-c", script], env=told, cwd=REPOSITORY, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def flow_runs(env: dict[str, str]) -> list[dict[str, Any]]:
    """All of them."""
    listed = typed(env, f"{PREFECT} --no-prompt flow-run ls --limit 50 -o json")
    return list(json.loads(listed))


def runs_of_stage_b(env: dict[str, str]) -> Path:
    """Where tickets and judgements of the mission are."""
    return Path(env["FIELDCHECK_STORE"]) / "stage_b" / MISSION / "runs"


@pytest.fixture
def hostile() -> Iterator[str]:
    """Address of a page of somebody else's, under a name that leads to this machine."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><body>evil")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((HOST, 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://evil.test:{server.server_port}/"
        server.shutdown()


def test_no_page_of_anybody_else_commands_the_worker(
    up: Terminal, env: dict[str, str], hostile: str, tmp_path: Path
) -> None:
    spoils = tmp_path / "spoils"
    attack = f"({ATTACK.read_text(encoding='utf-8').replace('SPOILS', str(spoils))})"
    port = env["PREFECT_SERVER_API_PORT"]
    before = typed(env, f"{PREFECT} --no-prompt deployment ls")
    with browser(tmp_path / "profile", "--host-resolver-rules=MAP evil.test 127.0.0.1") as page:
        page.visit(hostile)
        told = page.evaluate(f"{attack}('http://{HOST}:{port}')")
        assert told.pop("name")
        # Of a request without an answer to read a page cannot know whether it was refused: the server's side tells.
        assert told == {"preflight": "refused", "text": "sent", "blob": "sent", "websocket": "refused"}
        # A name that was made to point here after its page was loaded: the page and the server are one origin then.
        page.visit(f"http://evil.test:{port}/")
        assert "not the server's own" in page.evaluate("document.body.innerText")
        told = page.evaluate(f"{attack}('http://evil.test:{port}')")
        assert told.pop("name")
        assert told == {"preflight": 403, "text": 403, "blob": 403, "websocket": "refused"}
    assert typed(env, f"{PREFECT} --no-prompt deployment ls") == before
    assert "attack" not in typed(env, f"{PREFECT} --no-prompt flow ls --limit 100")
    assert not spoils.exists()


def test_a_person_clicks_the_link_and_is_in(up: Terminal, tmp_path: Path) -> None:
    with browser(tmp_path / "profile") as page:
        page.visit(login_url(up))
        assert page.until("location.pathname != '/fieldcheck/login' && document.body.innerText.includes('Deployments')")
        page.visit(re.sub(r"/fieldcheck/login.*", "/deployments", login_url(up)))
        assert page.until("document.body.innerText.includes('stage-a')"), page.evaluate("document.body.innerText")
        page.picture(Path(os.environ.get("FIELDCHECK_TEST_PICTURES", str(tmp_path))) / "deployments.png")


def test_a_run_asked_for_by_hand_ends_in_verdicts_without_more_typing(up: Terminal, env: dict[str, str]) -> None:
    """Summaries by the one checkpoint, verdicts by the other, and groups of the quarantine beside them."""
    asked = f"{PREFECT} --no-prompt deployment run 'stage-a/local' -p mission={MISSION} -p verify_inputs=true --watch"
    assert "Completed" in typed(env, asked)
    until = time.monotonic() + 300
    while not (pages := list(runs_of_stage_b(env).glob("*/report.html"))):
        told = [(one["name"], one["state_type"]) for one in flow_runs(env)]
        assert time.monotonic() < until, told
        assert not {state for _, state in told} & {"FAILED", "CRASHED"}, told
        time.sleep(1)
    (page,) = pages
    manifest = json.loads(page.with_name("manifest.json").read_bytes())
    assert manifest["decisions"]["通过"] > 0, manifest["decisions"]
    assert manifest["decisions"]["不通过"] > 0, manifest["decisions"]
    unjudged = [json.loads(line) for line in page.with_name("unjudged.jsonl").read_text(encoding="utf-8").splitlines()]
    words = page.read_text(encoding="utf-8")
    assert unjudged
    assert all(one["group_id"] in words for one in unjudged)


def test_stage_b_of_a_mission_asked_for_by_hand_judges_its_newest_run(up: Terminal, env: dict[str, str]) -> None:
    """By the site's blocks: the same judgement as that of what was handed over."""
    folder = runs_of_stage_b(env).parent
    before = {path.name for path in folder.rglob("*") if path.suffix in {".jsonl", ".html"}}
    assert "report.html" in before, "the test before has it judged"
    judged = sorted(folder.glob("runs/*/report.html"))
    assert "Completed" in typed(env, f"{PREFECT} --no-prompt deployment run stage-b/air-baffle --watch")
    assert sorted(folder.glob("runs/*/report.html")) == judged
    assert {path.name for path in folder.rglob("*") if path.suffix in {".jsonl", ".html"}} == before, "no new shard"


def test_ctrl_c_ends_server_worker_and_run_at_once(
    env: dict[str, str], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    env = {**env, "PREFECT_SERVER_API_PORT": str(free_port()), "FIELDCHECK_STORE": str(tmp_path / "store")}
    env["PREFECT_HOME"] = str(tmp_path / "prefect")
    with make_up(env) as terminal:
        terminal.until("Worker", 300)
        typed(env, f"{PREFECT} --no-prompt deployment run 'stage-a/local' -p mission={MISSION} -p force=true")
        terminal.until(lambda: any((tmp_path / "store").rglob("*.jsonl")) or "Beginning flow run" in terminal.text)
        terminal.press_ctrl_c()
        began = time.monotonic()
        assert terminal.code(60) == 130
        record_property("seconds", round(time.monotonic() - began, 1))
    assert "Traceback" not in terminal.text
    assert terminal.text.count("interrupted; run the same command again to go on") >= 1
    until = time.monotonic() + 30
    while (left := processes_with(str(tmp_path))) and time.monotonic() < until:
        time.sleep(0.2)
    assert not left
    shutil.rmtree(tmp_path / "prefect")
