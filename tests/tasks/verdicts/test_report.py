"""A judgement's page in Prefect's UI: in Chinese, with the groups that have no verdict, and no markup of strangers."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.records.reasons import Reason
from tasks.records.stage_b import Unjudged
from tasks.records.verdicts import ReviewReason
from tasks.runs.keys import UNJUDGED
from tasks.verdicts import report
from tasks.verdicts.names import QUARANTINE, REVIEW_REASONS
from tasks.verdicts.publish import PublishedJudgement
from tests.tasks.assurance.made_up import make_manifest, make_selection

FOLDER = "s3://bucket/stage_b/m/runs/r"


def page(*unjudged: Unjudged, **changes: Any) -> str:
    """The page of two tickets, beside so many groups that were not judged; `changes` to the first one."""
    told = [make_selection(1, **changes), make_selection(2, None, None, [ReviewReason.TIE])]
    manifest = make_manifest(told, len(unjudged))
    manifest = manifest.model_copy(update={"judge": {"scoring": "logprobs"}})
    published = PublishedJudgement(f"{FOLDER}/manifest.json", "k", "0" * 64, manifest, fresh=True)
    return report.markdown(published, told, unjudged, 1.0, uncalibrated="allow")


def test_the_page_has_decisions_the_reasons_to_look_and_the_way_to_the_report() -> None:
    text = page()
    assert "| **通过** | 1 |" in text
    assert f"| {REVIEW_REASONS[ReviewReason.TIE]} `tie` | 1 |" in text
    assert f"`{FOLDER}/report.html`" in text
    assert "## 没有判定的组" not in text


def test_the_page_says_from_which_score_on_verdicts_are_certified_and_how_many_are_audited() -> None:
    assert "| 认证 | 未认证，判定照样生效 |\n| 抽查 | 0 |" in page()
    certified = page(threshold=0.9, audit=1.0)
    assert "| 认证 | 通过：分数不低于0.9000；不通过：未认证，判定照样生效 |\n| 抽查 | 1 |" in certified


def test_every_group_that_stage_a_quarantined_is_listed_with_its_reason_in_chinese() -> None:
    text = page(*(Unjudged(group_id=f"QC-{reason.value}", reason=reason) for reason in Reason))
    assert f"| 没有判定的组（Stage-A隔离） | {len(Reason)} |" in text
    assert f"{len(Reason)} 组在判定之前被 Stage-A 隔离" in text
    for reason in Reason:
        assert f" | {QUARANTINE[reason]} `{reason.value}` |" in text


def test_too_many_groups_are_counted_and_the_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "_QUARANTINED", 2)
    text = page(*(Unjudged(group_id=f"QC{number}", reason=Reason.EMPTY_GROUP) for number in range(3)))
    assert "3 组在判定之前被 Stage-A 隔离" in text
    assert f"`{UNJUDGED}`" in text
    assert ("QC1" in text, "QC2" in text) == (True, False)


def test_a_groups_name_is_no_markup() -> None:
    text = page(Unjudged(group_id="<b>[x](http://evil.example)|`\n# 通过", reason=Reason.EMPTY_GROUP))
    (line,) = [line for line in text.splitlines() if "evil" in line]
    assert "<b>" not in line
    assert "[x](" not in line
    assert line.count(" | ") == 1
