"""One evidence with what was said of it and what is true. Knows no metric."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.records.verdicts import Decision, Selection, Verdict
from tasks.verdicts.published import GATED_BY_SCORE


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """What became of an evidence; the truth, if it has a label; and how sure the winner says that it is."""

    selection: Selection
    truth: Verdict | None
    confidence: float | None

    @property
    def automatic(self) -> Verdict | None:
        """The verdict that goes out without a person."""
        return automatic(self.selection)

    @property
    def right(self) -> bool:
        """Whether what is proposed is true; no proposal is not."""
        return self.truth is not None and self.selection.proposed is self.truth

    @property
    def waits_for_score(self) -> bool:
        """Whether nothing but a threshold for its score stands between this verdict and going out."""
        one = self.selection
        return one.proposed is not None and one.reused_from is None and GATED_BY_SCORE.issuperset(one.review_reasons)


def automatic(selection: Selection) -> Verdict | None:
    """The judge's verdict that goes out without a person: what a person has answered is none."""
    if selection.decision is Decision.REVIEW or selection.reused_from is not None:
        return None
    return Verdict(selection.decision.value)
