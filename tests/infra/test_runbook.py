"""The commands of the runbook and of the README: each is one that its program takes, and those that can be run are."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from prefect.cli._app import _app

from configs.cli import parse
from infra.own_server import own_server
from tests.infra.conftest import Server
from tests.infra.test_containers import prefect_names
from tests.workers import REPOSITORY

PAGES = [REPOSITORY / "infra/README.md", REPOSITORY / "README.md"]
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
PROGRAMS = (
    "make",
    "prefect",
    "fieldcheck",
    "python",
    "export",
    ".",
    "docker",
    "helm",
    "git",
    "cp",
    "pg_dump",
    "apt-get",
)
NO_ID = str(UUID(int=0))
NOT_HERE = re.compile(r"<!-- not run by tests: (.*?) -->", re.DOTALL)
"""A comment of a page that names programs which no test can ask, and why: `docker, helm (no engine here)`."""


def commands(page: Path) -> list[str]:
    """Every command of a page: the lines of its shell blocks, and what stands between backticks and begins as one."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]
    rest = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    inline = [" ".join(one.split()) for one in re.findall(r"`([^`]+)`", rest)]
    return lines + [one for one in inline if " " in one and program(one) in PROGRAMS]


def words_of(command: str) -> list[str]:
    """The words of a command: without `...`, with what is in brackets, the first of several, an ID for SCHEDULE."""
    words = [word for word in shlex.split(command.replace("SCHEDULE", NO_ID), comments=True) if word != "..."]
    return [word.strip("[]").partition("|")[0] for word in words]


def program(command: str) -> str:
    """What a command runs, whatever folder it is in."""
    first = command.split()[0]
    return first.removeprefix(".venv/bin/")


def not_here(page: Path) -> str:
    return " ".join(NOT_HERE.findall(page.read_text(encoding="utf-8")))


def takes_prefect(words: list[str]) -> str:
    """What Prefect's own command line has against these words."""
    try:
        _app.parse_args(words, exit_on_error=False, print_error=False)
    except Exception as error:  # cyclopts has no one root of its errors
        return str(error)
    return ""


def takes_make(words: list[str]) -> str:
    done = subprocess.run(["make", "-n", *words], cwd=REPOSITORY, capture_output=True, text=True)
    unused = [name for word in words if (name := word.partition("=")[0]) != word and f"$({name})" not in MAKEFILE]
    return done.stderr if done.returncode else " ".join(unused)


def takes_fieldcheck(words: list[str]) -> str:
    try:
        parse(words)
    except SystemExit as stop:
        return f"exit code {stop.code}" if stop.code else ""
    return ""


def takes_python(words: list[str]) -> str:
    """A module of ours: that it is there, and that it knows the options."""
    module = words[words.index("-m") + 1]
    path = REPOSITORY / module.replace(".", "/")
    path = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    if not path.exists():
        return f"there is no {path}"
    source = path.read_text(encoding="utf-8")
    return " ".join(word for word in words if word.startswith("--") and f'"{word}"' not in source)


def takes_export(words: list[str]) -> str:
    names = [word.partition("=")[0] for word in words]
    return " ".join(name for name in names if name not in prefect_names())


def takes_source(words: list[str]) -> str:
    """The file that `make server` leaves for shells."""
    return "" if words == [f".prefect/{own_server().env_file.name}"] else f"nobody writes {words}"


ASKED: dict[str, Callable[[list[str]], str]] = {
    "prefect": takes_prefect,
    "make": takes_make,
    "fieldcheck": takes_fieldcheck,
    "python": takes_python,
    "export": takes_export,
    ".": takes_source,
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_command_of_a_page_is_one_that_its_program_takes(page: Path) -> None:
    found = commands(page)
    assert len(found) > 10
    wrong = []
    for command in dict.fromkeys(found):
        name, words = program(command), words_of(command)[1:]
        if name in ASKED:
            if fault := ASKED[name](words):
                wrong.append(f"{command}: {fault}")
        elif not re.search(rf"\b{re.escape(name)}\b", not_here(page)):
            wrong.append(f"{command}: no test asks {name}, and the page does not say why")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "command",
    [
        "prefect gcl update gpu-0 --active-slot-limit 0",
        "prefect gcl change gpu-0",
        "make depoy",
        "make deploy SIET=gpu",
        "fieldcheck verfy URI",
        "python -m infra.deploy --night on",
        "python -m infra.deplo",
        "export PREFECT_API_ULR=x",
    ],
)
def test_a_command_that_is_wrong_is_found(command: str) -> None:
    assert ASKED[program(command)](words_of(command)[1:])


def test_the_commands_for_trouble_do_what_the_runbook_says(server: Server) -> None:
    """Run as they stand there, with the names of the site that is there."""
    shown = " ".join(commands(PAGES[0]))
    slot = server.site.ask("GET", "/v2/concurrency_limits/local-0")["id"]
    server.site.ask("POST", "/v2/concurrency_limits/increment", {"names": ["local-0"], "slots": 1})

    def run(command: str, **names: str) -> str:
        assert command in shown
        for name, other in names.items():
            command = command.replace(name, other)
        return server.site.prefect(*shlex.split(command)[1:])

    assert "active_slots=1" in run("prefect gcl inspect gpu-0", gpu="local")
    run("prefect gcl update gpu-0 --active-slots 0", gpu="local")
    assert server.site.ask("GET", f"/v2/concurrency_limits/{slot}")["active_slots"] == 0

    schedule = server.schedule("stage-a/air-baffle")["id"]
    assert schedule in run("prefect deployment schedule ls stage-a/air-baffle")
    run("prefect deployment schedule pause stage-a/air-baffle SCHEDULE", SCHEDULE=schedule)
    assert server.schedule("stage-a/air-baffle")["active"] is False
    assert "off: air-baffle" in server.run()
    run("prefect deployment schedule resume stage-a/air-baffle SCHEDULE", SCHEDULE=schedule)
    assert server.schedule("stage-a/air-baffle")["active"] is True

    run("prefect work-pool pause gpu", gpu="local")
    assert "it is PAUSED" in server.run()
    run("prefect work-pool resume gpu", gpu="local")
    assert not server.site.ask("GET", "/work_pools/local")["is_paused"]

    (asked,) = [one for one in commands(PAGES[0]) if "prefect deployment run" in one]
    run(asked)
    assert server.site.ask("POST", "/flow_runs/filter", {"deployments": {"name": {"any_": ["local"]}}})
