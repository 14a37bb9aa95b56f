"""Tests of how predicted captions are held against true ones."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.dense.caption import Caption, DenseObject, Geometry
from tasks.dense.score import Score, score_by_kind, score_caption
from tests.builders import examples
from tests.tasks.dense.strategies import captions


def caption(*objects: tuple[str, int, int]) -> Caption:
    """Boxes: description, left edge and width; all are 100 high."""
    return Caption(tuple(DenseObject(d, Geometry("bbox_2d", ((x, 0), (x + w, 100)))) for d, x, w in objects))


TRUTH = caption(("标签", 0, 100), ("标签", 200, 100), ("光模块", 400, 100))


def test_what_is_there_and_rightly_described_counts() -> None:
    found = score_caption(caption(("标签", 0, 90), ("光模块", 205, 100), ("挡风板", 700, 100)), TRUTH)
    assert found == Score(matched=2, predicted=3, truth=3, desc_right=1, photos=1, valid=1)
    assert (found.precision, found.recall, found.f1, found.desc_accuracy) == (2 / 3, 2 / 3, 2 / 3, 1 / 2)


def test_an_invalid_caption_predicts_nothing() -> None:
    found = score_caption(None, TRUTH)
    assert found == Score(truth=3, photos=1)
    assert (found.precision, found.recall, found.f1, found.desc_accuracy) == (0, 0, 0, 0)


def test_a_photo_without_objects_is_right_if_nothing_is_predicted() -> None:
    found = score_caption(Caption(()), Caption(()))
    assert found == Score(photos=1, valid=1)
    assert (found.precision, found.recall, found.f1, found.desc_accuracy) == (1, 1, 1, 1)
    assert score_caption(TRUTH, Caption(())).f1 == score_caption(Caption(()), TRUTH).f1 == 0


def test_no_object_is_matched_twice() -> None:
    twice = caption(("标签", 0, 100), ("标签", 10, 100))
    assert score_caption(twice, caption(("标签", 0, 100))).matched == 1
    assert score_caption(caption(("标签", 0, 100)), twice).matched == 1


def test_the_larger_overlap_is_matched_first_and_equal_ones_by_description() -> None:
    found = score_caption(caption(("近", 20, 100), ("准", 0, 100)), caption(("准", 0, 100)))
    assert (found.matched, found.desc_right) == (1, 1)
    found = score_caption(caption(("错", 0, 100), ("对", 0, 100)), caption(("对", 0, 100)))
    assert (found.matched, found.desc_right) == (1, 1)


@pytest.mark.parametrize(("threshold", "matched"), [(0.3, 1), (1 / 3, 1), (0.34, 0), (0.5, 0)])
def test_the_threshold_itself_is_enough(threshold: float, matched: int) -> None:
    assert score_caption(caption(("a", 0, 100)), caption(("a", 50, 100)), threshold).matched == matched


def test_kinds_are_scored_each_on_its_own() -> None:
    place = ((0, 0), (100, 0), (100, 100), (0, 100))
    truth = Caption((DenseObject("a", Geometry("poly", place)), *TRUTH.objects[1:]))
    assert score_caption(TRUTH, truth).matched == 3
    assert score_by_kind(TRUTH, truth) == {
        "bbox_2d": Score(matched=2, predicted=3, truth=2, desc_right=2, photos=1, valid=1),
        "poly": Score(truth=1, photos=1, valid=1),
        "line": Score(photos=1, valid=1),
    }
    assert score_by_kind(None, truth)["poly"] == Score(truth=1, photos=1)


@examples()
@given(captions)
def test_a_caption_agrees_with_itself(truth: Caption) -> None:
    found = score_caption(truth, truth)
    assert found.matched == found.predicted == found.truth == found.desc_right == len(truth.objects)
    assert found.f1 == 1


@examples()
@given(st.lists(st.tuples(st.none() | captions, captions), max_size=4), st.floats(0.01, 1))
def test_scores_add_up_and_stay_shares(pairs: list[Any], threshold: float) -> None:
    scores = [score_caption(predicted, truth, threshold) for predicted, truth in pairs]
    total = sum(scores, Score())
    assert total.photos == len(pairs)
    assert total.valid == sum(predicted is not None for predicted, _ in pairs)
    assert total.matched == sum(found.matched for found in scores)
    assert total.desc_right <= total.matched <= min(total.predicted, total.truth)
    assert all(0 <= share <= 1 for share in (total.precision, total.recall, total.f1, total.desc_accuracy))
