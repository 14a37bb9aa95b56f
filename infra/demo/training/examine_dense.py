"""Examines an expanded checkpoint's dense captions as production would read them: strict rules, matched places.

Knows no training.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from infra.demo.scenes import Scene, Split, sample, seed_of
from infra.demo.training.examine import BATCH, Answer, Reader
from infra.demo.wording import dense_caption
from tasks.dense.caption import KINDS, Caption
from tasks.dense.parse import parse_caption
from tasks.dense.score import Score, score_by_kind, score_caption
from tasks.dense.violations import Violation
from tasks.records.errors import CaptionInvalid

_NAMES = frozenset(Violation)


@dataclass(frozen=True, slots=True)
class Judged:
    """A scene's answer: the caption that it is or None, how well it agrees with the scene, what rules it breaks."""

    scene: Scene
    answer: Answer
    caption: Caption | None
    score: Score
    violations: frozenset[str]


def judge(scene: Scene, answer: Answer) -> Judged:
    """Hold an answer against its scene."""
    truth = parse_caption(dense_caption(scene))
    try:
        caption = parse_caption(answer.text, answer.finish_reason)
    except CaptionInvalid as error:
        return Judged(scene, answer, None, score_caption(None, truth), _kinds(error.violations))
    return Judged(scene, answer, caption, score_caption(caption, truth), frozenset())


def examine_dense(reader: Reader, scenes: int) -> dict[str, Any]:
    """Captions of held-out scenes: how many are valid, and how well their objects agree with the drawn ones.

    Places agree from an overlap of 0.5 on. Lists the first few captions that are not wholly right.
    """
    judged: list[Judged] = []
    for start in range(0, scenes, BATCH):
        batch = [sample(seed_of(Split.REPORT, i)) for i in range(start, min(scenes, start + BATCH))]
        judged += [judge(scene, answer) for scene, answer in zip(batch, reader.caption(batch), strict=True)]
    total = sum((item.score for item in judged), Score())
    by_kind = {kind: Score() for kind in KINDS}
    for item in judged:
        for kind, score in score_by_kind(item.caption, parse_caption(dense_caption(item.scene))).items():
            by_kind[kind] += score
    wrong = [item for item in judged if not _is_right(item.score)]
    return {
        "scenes": scenes,
        "seeds": [seed_of(Split.REPORT, 0), seed_of(Split.REPORT, scenes - 1)],
        "valid": total.valid,
        "valid_share": round(total.valid / scenes, 4),
        **_shares(total),
        "wholly_right": scenes - len(wrong),
        "by_geometry": {kind: _shares(score) for kind, score in by_kind.items()},
        "violations": dict(Counter(name for item in judged for name in sorted(item.violations)).most_common()),
        "longest_answer_tokens": max(item.answer.tokens for item in judged),
        "wrong": [
            {"seed": item.scene.seed, "expected": dense_caption(item.scene), "answer": item.answer.text}
            for item in wrong[:4]
        ],
    }


def _is_right(score: Score) -> bool:
    return score.predicted == score.truth == score.desc_right and score.valid == score.photos


def _shares(score: Score) -> dict[str, Any]:
    return {
        "f1": round(score.f1, 4),
        "precision": round(score.precision, 4),
        "recall": round(score.recall, 4),
        "desc_accuracy": round(score.desc_accuracy, 4),
        "objects": score.truth,
    }


def _kinds(violations: tuple[str, ...]) -> frozenset[str]:
    """The rules among violations as they are told: `object_2: order: ...` or `length: ...`."""
    return frozenset(part for text in violations for part in text.split(": ")[:2] if part in _NAMES)
