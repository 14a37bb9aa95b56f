"""Which automatic verdicts a person looks at all the same, blindly: a fixed share, whatever the verdicts say.

Each automatic verdict of a run is drawn with probability 0.05, by sha256(audit seed, verdict key). If a run of m such
verdicts draws none, the one with the smallest digest is drawn, which is each of them with the same probability:

    pi = 0.05 + 0.95^m / m

pi stands in the selection; its inverse is the weight of the audit. Being drawn does not hold a verdict up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from tasks.records.jsonl import canonical
from tasks.records.verdicts import Decision, Selection

SHARE = 0.05


def verdict_key(evidence_digest: str, judge_key: str) -> str:
    """sha256 (64 hex digits) of an evidence and its judge: what a verdict is of."""
    return hashlib.sha256(canonical([evidence_digest, judge_key]).encode()).hexdigest()


def draw(verdict_keys: Iterable[str], seed: int) -> dict[str, float]:
    """The verdicts that are drawn of a run's automatic ones, each with pi, its probability of being drawn.

    The same key twice is one verdict. The order changes nothing.
    """
    placed = sorted((_place(seed, key), key) for key in set(verdict_keys))
    if not placed:
        return {}
    pi = probability(len(placed))
    return {key: pi for place, key in placed if place < SHARE} or {placed[0][1]: pi}


def by_lot(key: str, seed: int) -> bool:
    """Whether a verdict is drawn whatever else is in its run: every automatic one is, with the same probability."""
    return _place(seed, key) < SHARE


def probability(verdicts: int) -> float:
    """pi: how likely each of so many automatic verdicts is to be drawn."""
    return float(SHARE + (1 - SHARE) ** verdicts / verdicts)


def with_audits(selections: Sequence[Selection], seed: int) -> tuple[Selection, ...]:
    """The same selections with pi in `audit` of those that are drawn: all tickets of a verdict together."""
    keys = [verdict_key(one.evidence_digest, one.judge_key) for one in selections]
    drawn = draw((key for one, key in zip(selections, keys, strict=True) if is_automatic(one)), seed)
    return tuple(
        one.model_copy(update={"audit": drawn.get(key) if is_automatic(one) else None})
        for one, key in zip(selections, keys, strict=True)
    )


def is_automatic(selection: Selection) -> bool:
    """Whether a verdict of the judge goes out without a person."""
    return selection.decision is not Decision.REVIEW and selection.reused_from is None


def _place(seed: int, key: str) -> float:
    """Where a key falls in [0, 1): even, and the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{key}".encode()).digest()[:6]) / 2**48
