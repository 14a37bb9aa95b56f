"""Programs that are told to end: on a real terminal, at moments at which the main thread hears and does not hear."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.terminal import Terminal
from tests.workers import REPOSITORY

LONG = 3600
AT_ONCE = 30.0
"""Far above what ending takes, and far below what it would without a way to end at once."""

WAYS = {
    "the main thread waits": f"import time; print('READY', flush=True); time.sleep({LONG})",
    "the main thread waits for another": (
        f"import threading, time; t = threading.Thread(target=time.sleep, args=({LONG},)); t.start();"
        " print('READY', flush=True); t.join()"
    ),
    "the main thread is in a library": (
        "import ctypes; print('READY', flush=True)\nwhile True: ctypes.CDLL(None).poll(None, 0, 3000000)"
    ),
    "cleaning up takes for ever": (
        f"import time\ntry:\n    print('READY', flush=True); time.sleep({LONG})\nfinally:\n    time.sleep({LONG})"
    ),
    "a library is half imported": (
        "import threading, time; from blocks.program import IMPORTING;"
        f"threading.Thread(target=time.sleep, args=({LONG},), name=IMPORTING).start();"
        f"print('READY', flush=True); time.sleep({LONG})"
    ),
}


def program(body: str) -> list[str]:
    """A program that does what the body says."""
    text = f"from blocks.program import run_program\ndef main():\n{_indented(body)}\n    return 0\n"
    return [sys.executable, "-c", text + "run_program(main, 'test', 'interrupted; go on')"]


def _indented(body: str) -> str:
    return "\n".join(f"    {line}" for line in body.splitlines())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_with_word_and_code(way: str, number: signal.Signals) -> None:
    with Terminal(program(WAYS[way]), os.environ, REPOSITORY) as terminal:
        terminal.until("READY")
        if number is signal.SIGINT:
            terminal.press_ctrl_c()
        else:
            terminal.send(number)
        assert terminal.code(AT_ONCE) == 128 + number
    assert terminal.text.count("test: interrupted; go on") == 1
    assert "Traceback" not in terminal.text


def test_a_second_ctrl_c_waits_for_nothing() -> None:
    with Terminal(program(WAYS["cleaning up takes for ever"]), os.environ, REPOSITORY) as terminal:
        terminal.until("READY")
        terminal.press_ctrl_c()
        time.sleep(0.5)
        terminal.press_ctrl_c()
        assert terminal.code(AT_ONCE) == 130
    assert "Traceback" not in terminal.text


def test_what_the_parent_had_ignored_stays_ignored() -> None:
    inner = program("import os; os.kill(os.getpid(), 2)")[2]
    text = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); exec({inner!r})"
    assert subprocess.run([sys.executable, "-c", text], cwd=REPOSITORY, timeout=60).returncode == 0


@pytest.mark.parametrize(("body", "code"), [("return 0", 0), ("return 2", 2), ("raise SystemExit(3)", 3)])
def test_a_program_that_ends_by_itself_has_its_own_code(body: str, code: int) -> None:
    assert subprocess.run(program(body), cwd=REPOSITORY, timeout=60).returncode == code


def test_nobody_waits_for_a_library_that_is_not_needed_any_more(tmp_path: Path) -> None:
    body = (
        "import atexit, threading, time; from blocks.program import IMPORTING\n"
        f"atexit.register(open({str(tmp_path / 'ran')!r}, 'w').close)\n"
        f"threading.Thread(target=time.sleep, args=({LONG},), name=IMPORTING, daemon=True).start()\n"
        "return 1"
    )
    assert subprocess.run(program(body), cwd=REPOSITORY, timeout=60).returncode == 1
    assert (tmp_path / "ran").exists()
