"""Tests of `fieldcheck judge GROUP`: one group, judged before one's eyes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from blocks.local_store import LocalStore
from flows.cli import main
from flows.stage_b import stage_b
from tests.builders import files_under, make_group
from tests.demo import Demo
from tests.judging import RuleJudge, publish_drawn

CROOKED, SINGLE = "BBU设备/品牌:华为×2，挡风板/安装不规范×1", "BBU设备/品牌:中兴×1，光模块×2"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> RuleJudge:
    """What judges, in flows and commands."""
    judge = RuleJudge()
    monkeypatch.setattr("tasks.work.task.open_engine", lambda spec: judge)
    monkeypatch.setattr("tasks.engines.open.open_engine", lambda spec: judge)
    return judge


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    """A published run: two groups, one of them submitted twice."""
    groups = [
        (make_group("QC-0001", contents=["a", "b"], label=None), [SINGLE, CROOKED]),
        (make_group("QC-0002", contents=["c"], label=None), [SINGLE]),
    ]
    return publish_drawn(LocalStore(tmp_path / "store"), groups).uri


def told(demo: Demo, manifest: str, group: str, *flags: str) -> list[str]:
    """The command."""
    command = ["judge", group, "--manifest", manifest, "--checkpoint", demo.checkpoint, "--device", "cpu"]
    return [*command, "--judge.uncalibrated", "allow", *flags]


def test_a_group_is_shown_with_every_candidate_check_and_the_decision(
    demo: Demo, manifest: str, engine: RuleJudge, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = files_under(LocalStore(tmp_path / "store"))
    assert main(told(demo, manifest, "QC-0001")) == 0
    out = capsys.readouterr().out
    assert out.count("Verdict: 不通过\n") >= 7
    assert out.count("有据  挡风板安装不规范（image_2）  ｜挡风板/安装不规范×1") == 7
    assert "← 采用" in out
    assert '"needs_recheck": false' in out
    selection = json.loads(out.splitlines()[-1])
    assert (selection["decision"], selection["clauses"][0]["cites"]) == ("不通过", ["image_2"])
    assert files_under(LocalStore(tmp_path / "store")) == before


def test_it_decides_as_the_run_does(
    demo: Demo, manifest: str, engine: RuleJudge, capsys: pytest.CaptureFixture[str]
) -> None:
    summary: dict[str, Any] = stage_b(
        manifest=manifest, model={"base": demo.checkpoint}, device="cpu", judge={"uncalibrated": "allow"}
    )
    lines = (Path(summary["judgement"]).parent / "selections.jsonl").read_text(encoding="utf-8").splitlines()
    capsys.readouterr()
    for number, line in enumerate(lines, start=1):
        assert main(told(demo, manifest, f"QC-000{number}#1")) == 0
        found = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert found == {**json.loads(line), "audit": None}  # which verdicts are audited is drawn in whole runs


def test_a_group_that_the_run_has_not_is_told_with_a_cure(
    demo: Demo, manifest: str, engine: RuleJudge, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(told(demo, manifest, "QC-0009")) == 2
    assert "the run has no group 'QC-0009'" in capsys.readouterr().err
