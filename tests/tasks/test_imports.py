"""Tests of the house rules: what an import brings along, and what a module looks like."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("prefect", "torch", "boto3", "botocore", "transformers", "peft", "swift")
PACKAGES = ("fieldcheck", "flows", "tasks", "blocks", "configs")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
LIGHT = [
    *(f"tasks.records.{path.stem}" for path in sorted((ROOT / "tasks/records").glob("[!_]*.py"))),
    "tasks.images.open",
    "tasks.inputs.discover",
    "tasks.inputs.verify",
    "tasks.inputs.order",
    "tasks.work.kind",
    "tasks.work.plan",
    "tasks.work.reader",
    "tasks.work.remote",
    "tasks.summaries.kind",
    "tasks.summaries.prompts",
    "tasks.summaries.ladder",
    "tasks.summaries.score",
    "tasks.ledger.ledger",
    "tasks.runs.check",
    "tasks.runs.lease",
    "tasks.runs.requeue",
    "tasks.runs.reuse",
    "tasks.runs.publish",
    "tasks.tickets.ingest",
    "tasks.verdicts.evidence",
    "tasks.verdicts.select",
    "tasks.verdicts.citations",
    "tasks.verdicts.facts",
    "tasks.verdicts.injection",
    "tasks.verdicts.prompts",
    "tasks.verdicts.certificates",
    "tasks.assurance.evaluate",
    "tasks.assurance.looks",
    "tasks.reviews.blind",
    "tasks.reports.judgement",
    "tasks.dense.parse",
    "tasks.dense.score",
    "tasks.dense.draw",
    "tasks.dense.kind",
    "tasks.dense.publish",
    "tasks.engines.open",
    "tasks.checkpoints.spec",
    "configs.settings",
    "configs.cli",
    "flows.cli",
    *(f"flows.commands.{path.stem}" for path in sorted((ROOT / "flows/commands").glob("[!_]*.py"))),
]


def relative(path: Path) -> str:
    """As a test's name."""
    return path.relative_to(ROOT).as_posix()


def test_the_light_rooms_bring_neither_prefect_nor_a_model_library_nor_boto3() -> None:
    code = (
        "import importlib, sys\n"
        f"for name in {LIGHT!r}:\n"
        "    importlib.import_module(name)\n"
        f"    print(name, *(heavy for heavy in {HEAVY!r} if heavy in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split("\n") == [*LIGHT, ""]


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_says_what_it_is_and_stays_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert len(text.splitlines()) <= 300


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py"], ids=relative)
def test_an_init_file_holds_a_docstring_and_nothing_else(path: Path) -> None:
    assert len(ast.parse(path.read_text(encoding="utf-8")).body) == 1


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_of_code_is_a_package(package: str) -> None:
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    assert all((folder / "__init__.py").is_file() for folder in folders)


@pytest.mark.parametrize("path", sorted((ROOT / "flows").rglob("*.py")), ids=relative)
def test_flows_define_no_classes(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]


ENDS = {ROOT / "blocks" / "program.py"}
"""How a process ends is all that this module is about."""


@pytest.mark.parametrize("path", sorted(set(MODULES) - ENDS), ids=relative)
def test_nothing_prints_or_exits_but_a_module_that_is_run(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = [node for top in tree.body if not isinstance(top, ast.If) for node in ast.walk(top)]
    called = [ast.unparse(node.func) for node in inside if isinstance(node, ast.Call)]
    assert not {"print", "exit", "quit", "sys.exit", "os._exit"} & set(called)
