"""What a run that judges leaves for whoever called it: the judgement, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tasks.records.verdicts import Decision
from tasks.runs.report import throughput
from tasks.runs.shards import Receipt
from tasks.verdicts.judgement import Judgement
from tasks.verdicts.publish import PublishedJudgement


@dataclass(frozen=True)
class Asked:
    """Questions of one kind: those of this run by their receipts, and how many earlier runs had answered."""

    kind: str
    receipts: list[Receipt]
    reused: int


@dataclass(frozen=True)
class Judged:
    """A judgement in the store, what it says, what was asked for it, candidates first, and how long it took."""

    published: PublishedJudgement
    judgement: Judgement
    asked: tuple[Asked, ...]
    seconds: float

    @property
    def receipts(self) -> list[Receipt]:
        """What was asked in this run, of every kind."""
        return [receipt for one in self.asked for receipt in one.receipts]

    @property
    def reused(self) -> int:
        """Questions of every kind that earlier runs had answered."""
        return sum(one.reused for one in self.asked)

    def summary(self) -> dict[str, Any]:
        """judgement (URI of its manifest), judgement_sha256, fresh, decisions by their names, unjudged, candidates and
        asked (how many of them in this run), reused (questions of any kind), seconds."""
        manifest = self.published.manifest
        asked, rate = throughput(self.asked[0].receipts)
        return {
            "judgement": self.published.uri,
            "judgement_sha256": self.published.sha256,
            "fresh": self.published.fresh,
            "decisions": {decision.value: manifest.decisions[decision] for decision in Decision},
            "unjudged": manifest.unjudged,
            "candidates": len(self.judgement.trajectories),
            "asked": asked,
            "candidates_per_second": round(rate, 2),
            "reused": self.reused,
            "seconds": round(self.seconds, 2),
        }
