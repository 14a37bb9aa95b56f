"""Tests of checkpoints and adapters as people have them: `inspect` says beforehand what a run will say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from configs.parts import MergeConfig, ModelConfig
from tasks.checkpoints.inspect import Inspection, inspect
from tasks.checkpoints.resolve import resolve
from tasks.engines.folders import trial
from tasks.records.errors import CheckpointError
from tests.folders import link, make_small
from tests.tasks.checkpoints import adapter_zoo, checkpoint_zoo
from tests.tasks.checkpoints.adapter_zoo import make_lora


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three seconds for what would take for ever."""
    monkeypatch.setattr(trial, "SECONDS", 3)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_small(tmp_path_factory.mktemp("zoo") / "base")


@pytest.fixture(scope="module")
def lora(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lora(tmp_path_factory.mktemp("zoo") / "lora", base)


def run_of(model: ModelConfig) -> tuple[str | None, list[str]]:
    """What a run says before it loads anything: why it refuses, and what it warns of."""
    told: list[str] = []
    try:
        resolve(model, MergeConfig(), "cpu", told.append)
    except CheckpointError as error:
        return str(error), told
    return None, told


def agree(found: Inspection, refusal: str | None, outcome: str) -> None:
    """Assert that an inspection, a run and the outcome that was written down are one."""
    kind, _, part = outcome.partition(": ")
    assert (kind == "refused") == bool(found.refused) == (refusal is not None), (found.refused, refusal)
    assert (kind == "runs") == (not found.refused and not found.warnings), (found.refused, found.warnings)
    told = found.refused if kind == "refused" else found.warnings
    assert any(part in line for line in told) or kind == "runs", told
    assert refusal is None or part in refusal, refusal
    assert all(f"{'refused' if kind == 'refused' else 'warning'}: {line}" in found.lines() for line in told)
    assert json.loads(json.dumps(found.as_json())) == found.as_json()


@pytest.mark.parametrize("name", checkpoint_zoo.ZOO)
def test_inspect_says_of_a_checkpoint_what_a_run_says(base: Path, tmp_path: Path, name: str) -> None:
    change, outcome = checkpoint_zoo.ZOO[name]
    folder = link(base, tmp_path / "folder")
    change(folder)
    agree(inspect(folder), run_of(ModelConfig(base=str(folder)))[0], outcome)


@pytest.mark.parametrize("name", adapter_zoo.ZOO)
def test_inspect_says_of_an_adapter_what_a_run_says(base: Path, lora: Path, tmp_path: Path, name: str) -> None:
    change, outcome = adapter_zoo.ZOO[name]
    folder = tmp_path / "adapter"
    folder.mkdir()
    for path in lora.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    change(folder)
    found = inspect(folder, base)
    refusal, told = run_of(ModelConfig(base=str(base), adapters=(str(folder),)))
    agree(found, refusal, outcome)
    if refusal is None:
        assert told == [f"warning: {folder}: {line}" for line in found.warnings]


@pytest.mark.parametrize("name", adapter_zoo.MADE)
def test_every_layout_that_peft_saves_runs(base: Path, tmp_path: Path, name: str) -> None:
    folder = make_lora(tmp_path / "made", base, **adapter_zoo.MADE[name])
    agree(inspect(folder, base), run_of(ModelConfig(base=str(base), adapters=(str(folder),)))[0], "runs")
