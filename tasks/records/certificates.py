"""What certifying leaves: looks at labels, and certificates. Knows no step.

A look is written when it is opened, before its labels are there; its certificate when they all are. Neither holds a
label: what judges may read both.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Literal

from pydantic import Field

from tasks.records.base import Record, Sha256
from tasks.records.jsonl import canonical
from tasks.records.verdicts import Verdict


class Risk(StrEnum):
    """What is bounded: automatic verdicts of one kind that are wrong."""

    FALSE_PASS = "false_pass"
    """P(truth 不通过 | automatic 通过)"""
    FALSE_FAIL = "false_fail"
    """P(truth 通过 | automatic 不通过)"""

    @property
    def verdict(self) -> Verdict:
        """The automatic verdict that may be wrong."""
        return Verdict.PASS if self is Risk.FALSE_PASS else Verdict.FAIL


NOT_PROMISED = (
    "以后的工单与被标注的工单同样分布（exchangeable groups）；季节、厂家、施工队变化后须重新认证",
    "人工标注本身正确",
    "没有重复使用的照片（recycled photos）",
    "每个站点单独成立：上限是整个任务的平均，不是每个站点的",
)
"""What a certificate takes for granted or does not say; it stands beside its number."""


class Asked(Record):
    """One group whose label a look opens: `score` is the judge's, `since` the lowest score that it was drawn from.
    Certify ones are drawn for this purpose; audits were automatic already, and drawn from the threshold then in
    force."""

    ticket_id: str
    group_id: str
    answer_key: Sha256
    evidence_digest: Sha256
    score: float
    since: float
    drawn: Literal["certify", "audit"]


class Look(Record):
    """`look.json`: what is fixed before the labels of a look are there.

    `look` counts all looks of this certificate key and risk, from 1; `spent` of `delta` is this look's. `thresholds`,
    strict to lax, come from `unlabelled` other groups, and `auto_shares` of what is proposed would go out at them; the
    test begins at the one in place `begin`. `labels` are all that are opened, with those of earlier looks.
    """

    schema_version: Literal[1] = 1
    kind: Literal["look"] = "look"
    mission: str
    risk: Risk
    certificate_key: Sha256
    judge_key: Sha256
    stage_a: Sha256
    look: int = Field(ge=1)
    alpha: float
    delta: float
    spent: float
    thresholds: tuple[float, ...]
    auto_shares: tuple[float, ...]
    begin: int = Field(ge=0)
    unlabelled: int = Field(ge=0)
    draw_seed: int
    labels: tuple[Asked, ...]
    opened_at: str
    by: str | None
    self_sha256: str = ""


class CurvePoint(Record):
    """What the labels say of one threshold: `n` of them, `k` wrong, the exact p-value, the share of proposals that
    would go out; `tested` ones came before the first that failed, or are it."""

    threshold: float
    n: int = Field(ge=0)
    k: int = Field(ge=0)
    p: float
    auto_share: float
    tested: bool


class Certificate(Record):
    """`calibration.json`: what a look found. Without a threshold it certifies nothing.

    With probability 1 - `delta` over the draw of the labels, no more than `alpha` of the automatic verdicts with a
    score of at least `threshold` are wrong; `not_promised` says under which assumptions. `n` labels, `k` of them wrong,
    gave `p`. `auto_share` of what the judge proposes in this direction would go out. `lacking` further labels, all
    right, would have certified something.
    """

    schema_version: Literal[1] = 1
    kind: Literal["certificate"] = "certificate"
    mission: str
    risk: Risk
    certificate_key: Sha256
    judge_key: Sha256
    stage_a: Sha256
    alpha: float
    delta: float
    look: int = Field(ge=1)
    spent: float
    threshold: float | None
    n: int = Field(ge=0)
    k: int = Field(ge=0)
    p: float | None
    auto_share: float
    lacking: int = Field(ge=0)
    curve: tuple[CurvePoint, ...]
    draw_seed: int
    labels: int = Field(ge=0)
    labels_sha256: Sha256
    at: str
    by: str | None
    not_promised: tuple[str, ...] = NOT_PROMISED
    self_sha256: str = ""


def certificate_key(judge_key: str, stage_a: str) -> str:
    """sha256 (64 hex digits) of a judge and of what makes Stage-A's texts: what a certificate is for."""
    return hashlib.sha256(canonical([judge_key, stage_a]).encode()).hexdigest()
