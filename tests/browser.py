"""A real browser without a screen, driven over its debugging protocol. Knows no test and no server."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

_START_SECONDS = 60.0
_ANSWER_SECONDS = 60.0


class Browser:
    """One page of a browser that runs."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)

    def visit(self, url: str) -> None:
        """Open a page, and wait until it has loaded."""
        self._ask("Page.navigate", url=url)
        until = time.monotonic() + _ANSWER_SECONDS
        while time.monotonic() < until:
            with suppress(AssertionError):  # between two pages there is nobody to ask
                if self.evaluate("document.readyState") == "complete":
                    return
            time.sleep(0.1)

    def evaluate(self, script: str) -> Any:
        """What a script in the page gives; a promise is waited for."""
        told = self._ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def until(self, script: str, seconds: float = _ANSWER_SECONDS) -> bool:
        """Whether a script gives something true before long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with suppress(AssertionError):
                if self.evaluate(script):
                    return True
            time.sleep(0.2)
        return False

    def picture(self, path: Path) -> None:
        """Save what the page looks like."""
        path.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"]))

    def _ask(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._connection.recv(timeout=_ANSWER_SECONDS))
            if told.get("id") == number:
                assert "error" not in told, told
                return told["result"]


@contextmanager
def browser(folder: Path, *options: str) -> Iterator[Browser]:
    """Chromium with a profile of its own in `folder`. Skips the test where there is none."""
    program = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no Chromium: apt-get install chromium")
    command = [
        program,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--remote-debugging-port=0",
    ]
    command += [f"--user-data-dir={folder}", "--window-size=1400,900", *options, "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connect(_page(folder, process), max_size=None, proxy=None) as connection:
            yield Browser(connection)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()


def _page(folder: Path, process: subprocess.Popen[bytes]) -> str:
    """Where the only page listens."""
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError, ValueError, StopIteration):
            port = (folder / "DevToolsActivePort").read_text().split()[0]
            pages = json.loads(opener.open(f"http://127.0.0.1:{port}/json", timeout=5).read())
            return str(next(one["webSocketDebuggerUrl"] for one in pages if one["type"] == "page"))
        time.sleep(0.1)
    pytest.fail("the browser did not start")
