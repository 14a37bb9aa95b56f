"""How captions are examined: by the strict rules and by matched places, told apart by kind."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from infra.demo.scenes import Scene, Split, sample, seed_of
from infra.demo.training.examine import Answer
from infra.demo.training.examine_dense import examine_dense, judge
from infra.demo.wording import dense_caption


class Recital:
    """Reads nothing: says of every scene what it is told to."""

    def __init__(self, answers: Sequence[Answer] | None = None) -> None:
        self.answers = answers

    def caption(self, scenes: Sequence[Scene]) -> list[Answer]:
        return list(self.answers or [Answer(dense_caption(scene), "stop", 9) for scene in scenes])


def scene_with(least: int) -> Scene:
    scenes = (sample(seed_of(Split.TESTS, 8000 + i)) for i in range(1000))
    return next(scene for scene in scenes if len(scene.things) >= least)


def test_the_truth_is_wholly_right() -> None:
    report = examine_dense(Recital(), 40)
    assert (report["valid_share"], report["f1"], report["desc_accuracy"]) == (1, 1, 1)
    assert (report["wholly_right"], report["wrong"], report["violations"]) == (40, [], {})
    assert report["by_geometry"].keys() == {"bbox_2d", "poly", "line"}


@pytest.mark.parametrize(
    ("answer", "violations"),
    [
        (Answer("看不清", "stop", 3), {"not_json"}),
        (Answer('{"object_1":', "length", 3), {"length"}),
        (Answer('{"object_2":{"desc":"标签","bbox_2d":[5,1,5,9]}}', "stop", 3), {"object_number", "bbox_2d_order"}),
    ],
)
def test_a_broken_rule_is_told_by_its_name_and_counts_as_no_prediction(answer: Answer, violations: set[str]) -> None:
    judged = judge(scene_with(3), answer)
    assert judged.violations == violations
    assert (judged.score.valid, judged.score.predicted, judged.score.matched) == (0, 0, 0)
    assert judged.score.truth >= 3


def test_what_is_missing_lowers_recall_and_is_shown() -> None:
    scene = scene_with(3)
    judged = judge(scene, Answer("{}", "stop", 2))
    assert (judged.score.valid, judged.score.recall) == (1, 0)
    report = examine_dense(Recital([Answer("{}", "stop", 2)] * 8), 8)
    assert report["recall"] == 0
    assert report["wrong"][0]["answer"] == "{}"
