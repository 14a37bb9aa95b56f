"""How well predicted captions agree with true ones: objects found, and found with the right description.

Knows no text and no photo.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.dense.caption import KINDS, Caption, Kind
from tasks.dense.geometry import iou

THRESHOLD = 0.5
"""The least overlap (IoU) at which a predicted object is a true one."""


@dataclass(frozen=True, slots=True)
class Score:
    """Counts over photos; scores add up. `Score()` is that of no photo.

    Of `truth` true and `predicted` predicted objects, `matched` pairs overlap, `desc_right` of these with equal
    descriptions. `valid` of `photos` captions broke no rule. A share of nothing is 1 where there was nothing to find
    and nothing was predicted, and 0 otherwise.
    """

    matched: int = 0
    predicted: int = 0
    truth: int = 0
    desc_right: int = 0
    photos: int = 0
    valid: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(
            self.matched + other.matched,
            self.predicted + other.predicted,
            self.truth + other.truth,
            self.desc_right + other.desc_right,
            self.photos + other.photos,
            self.valid + other.valid,
        )

    @property
    def precision(self) -> float:
        """Share of the predicted objects that are there."""
        return self._share(self.matched, self.predicted)

    @property
    def recall(self) -> float:
        """Share of the true objects that were predicted."""
        return self._share(self.matched, self.truth)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return self._share(2 * self.matched, self.predicted + self.truth)

    @property
    def desc_accuracy(self) -> float:
        """Share of the matched objects whose description is exactly right."""
        return self._share(self.desc_right, self.matched)

    def _share(self, part: int, whole: int) -> float:
        return part / whole if whole else float(self.predicted == self.truth == 0)


def score_caption(predicted: Caption | None, truth: Caption, threshold: float = THRESHOLD) -> Score:
    """The score of one photo. None is a caption that broke a rule: nothing of it counts as predicted.

    Pairs are made greedily, the largest overlap first; of equal overlaps one with equal descriptions comes first,
    then the earlier objects. No object is in two pairs.
    """
    found = predicted.objects if predicted is not None else ()
    candidates = sorted(
        (-overlap, a.desc != b.desc, i, j)
        for i, a in enumerate(found)
        for j, b in enumerate(truth.objects)
        if (overlap := iou(a.geometry, b.geometry)) >= threshold
    )
    taken: set[int] = set()
    met: set[int] = set()
    right = 0
    for _, differs, i, j in candidates:
        if i not in taken and j not in met:
            taken.add(i)
            met.add(j)
            right += not differs
    return Score(
        matched=len(taken),
        predicted=len(found),
        truth=len(truth.objects),
        desc_right=right,
        photos=1,
        valid=int(predicted is not None),
    )


def score_by_kind(predicted: Caption | None, truth: Caption, threshold: float = THRESHOLD) -> dict[Kind, Score]:
    """The scores of one photo's boxes, polygons and lines, each as if no other kind were there."""
    return {
        kind: score_caption(_only(predicted, kind) if predicted is not None else None, _only(truth, kind), threshold)
        for kind in KINDS
    }


def _only(caption: Caption, kind: Kind) -> Caption:
    return Caption(tuple(item for item in caption.objects if item.geometry.kind == kind))
