"""Tests of looks: what is fixed before a label is opened, and what the labels certify then."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
import pytest

from tasks.assurance.calibration import p_value
from tasks.assurance.looks import (
    Terms,
    Whose,
    audits_of,
    end_look,
    needed,
    open_look,
    pool_of,
    to_draw,
    unanswered,
)
from tasks.records.certificates import Certificate, Look, Risk
from tasks.records.verdicts import Verdict
from tasks.verdicts.published import Proposal
from tests.builders import MISSION, sha
from tests.tasks.assurance.worlds import make_world

PASS, FAIL = Verdict.PASS, Verdict.FAIL
WHOSE = Whose(MISSION, sha("judge"), sha("stage a"))
TERMS = Terms(risk=Risk.FALSE_PASS, alpha=0.05, delta=0.1)


def proposal(number: int, score: float = 0.9, verdict: Verdict = PASS, **told: Any) -> Proposal:
    """A group for which 通过 is proposed."""
    values: dict[str, Any] = {"waits": True, "audit": None, "threshold": None, "by_lot": True}
    name = f"QC-{number:04d}"
    return Proposal(f"{name}#1", name, sha(name), sha(f"evidence {number}"), verdict, score, **{**values, **told})


def opened(
    proposals: Sequence[Proposal], size: int, earlier: Sequence[Look] = (), terms: Terms = TERMS, **told: Any
) -> Look:
    """The next look at them."""
    audits = told.pop("audits", ())
    return open_look(WHOSE, terms, pool_of(proposals, terms), earlier, audits, size, "2026-03-01T08:00:00Z")


def ended(look: Look, wrong: Sequence[str] = (), without: Sequence[str] = ()) -> Certificate:
    """The certificate of a look of which all labels say 通过, but for some."""
    truths = {one.answer_key: FAIL if one.answer_key in wrong else PASS for one in look.labels}
    return end_look(look, {key: truths[key] for key in truths if key not in without}, "2026-03-02T08:00:00Z")


def test_59_right_labels_certify_and_one_that_is_lacking_or_wrong_undoes_it() -> None:
    look = opened([proposal(number) for number in range(59)], 59)
    keys = [one.answer_key for one in look.labels]
    truths = dict.fromkeys(keys[1:], PASS)
    assert [one.answer_key for one in unanswered(look, truths)] == keys[:1]
    found = ended(look)
    assert (found.threshold, found.n, found.k, found.lacking) == (0.5, 59, 0, 0)
    assert found.p == p_value(0, 59, 0.05)
    assert found.certificate_key == WHOSE.certificate_key
    for lame in (ended(look, wrong=keys[:1]), ended(look, without=keys[:1])):
        assert (lame.threshold, lame.p, lame.lacking) == (None, None, 93 - 59)
        assert lame.labels_sha256 != found.labels_sha256


def test_a_look_draws_evenly_of_what_the_bound_is_about_and_its_order_changes_nothing() -> None:
    about = [proposal(number, 0.5 + number / 1000) for number in range(400)]
    others = [
        proposal(1001, verdict=FAIL),
        proposal(1002, waits=False),
        proposal(1003, score=0.45),
    ]
    look = opened([*about, *others], 100)
    assert opened([*others, *about[::-1]], 100) == look
    names = {one.ticket_id for one in look.labels}
    assert len(names) == 100
    assert names <= {one.ticket_id for one in about}
    assert 0.55 < median(one.score for one in look.labels) < 0.85
    assert look.unlabelled == 300
    assert opened([*about, *others], 100, terms=Terms(risk=Risk.FALSE_PASS, alpha=0.05, delta=0.1, seed=1)) != look
    high = opened(about, 50, terms=Terms(risk=Risk.FALSE_PASS, alpha=0.05, delta=0.1, since=0.8))
    assert min(one.score for one in high.labels) >= 0.8
    assert min(high.thresholds) == 0.8
    with pytest.raises(ValueError, match="400 groups can be drawn, not 401"):
        opened([*about, *others], 401)


def test_the_last_proposal_for_a_group_and_photos_counts() -> None:
    pool = pool_of([proposal(1, 0.9), proposal(2, 0.7), proposal(1, 0.6)], TERMS)
    assert {(one.group_id, one.score) for one in pool.waiting} == {("QC-0001", 0.6), ("QC-0002", 0.7)}
    assert pool.proposed == 2


def test_a_second_look_opens_the_labels_of_the_first_again_and_spends_half() -> None:
    proposals = [proposal(number) for number in range(300)]
    first = opened(proposals, 59)
    wrong = [first.labels[0].answer_key]
    before = ended(first, wrong)
    size = to_draw(TERMS, [before])
    assert size == needed(TERMS, 2, wrong=2) - 59  # it may be wrong once more
    second = opened(proposals, size, [first])
    assert second.labels[:59] == first.labels
    assert len({one.answer_key for one in second.labels}) == 59 + size
    assert (second.look, second.spent) == (2, 0.025)
    assert ended(second, wrong).threshold is not None
    assert ended(second, [*wrong, second.labels[-1].answer_key]).k == 2
    assert to_draw(TERMS, []) == needed(TERMS, 1, wrong=1) == 93


def test_audits_count_from_the_threshold_on_at_which_they_were_drawn() -> None:
    low, high = (
        [proposal(number, 0.6) for number in range(100)],
        [proposal(200 + number, 0.95) for number in range(100)],
    )
    audits = [proposal(300 + number, 0.97, audit=0.05, threshold=0.9) for number in range(40)]
    told = audits_of([*low, *high, *audits, proposal(300, 0.5, audit=0.9, threshold=0.4)], Risk.FALSE_PASS)
    assert list(told.values()) == audits
    alone = proposal(400, 0.97, audit=0.9, threshold=0.9, by_lot=False)  # the one that its run must have
    look = opened([*low, *high], 80, audits=[*audits, alone])
    assert {one.since for one in look.labels if one.drawn == "audit"} == {0.9}
    curve = {one.threshold: one.n for one in ended(look).curve}
    assert curve[0.95] == 40 + sum(one.score >= 0.95 for one in look.labels if one.drawn == "certify")
    assert curve[0.5] == 80


def test_the_other_direction_has_a_bound_of_its_own() -> None:
    terms = Terms(risk=Risk.FALSE_FAIL, alpha=0.1, delta=0.1)
    look = opened([proposal(number, verdict=FAIL) for number in range(40)], needed(terms, 1), terms=terms)
    assert ended(look).threshold is None  # all of them deserve 通过
    truths = {one.answer_key: FAIL for one in look.labels}
    found = end_look(look, truths, "2026-03-02T08:00:00Z")
    assert (found.threshold, found.n, found.risk) == (0.5, 29, Risk.FALSE_FAIL)


def test_labels_of_the_queue_are_worth_more_than_labels_of_whatever_comes() -> None:
    """In 50 missions: labels until a threshold is certified, with the groups drawn for it and with all groups alike."""
    ratios = []
    for seed in range(50):
        world = make_world(100 + seed, auroc=0.97, groups=2000, bad=0.3)
        rng = np.random.default_rng(seed)
        threshold = float(np.quantile(world.scores, 0.2))
        uniform = rng.permutation(world.groups)
        queue = rng.permutation(np.flatnonzero(world.scores >= threshold))
        able = (uniform < world.scores.size) & (world.scores[np.minimum(uniform, world.scores.size - 1)] >= threshold)
        ratios.append(_until(able, world.wrong[uniform[able]]) / _until(np.ones(queue.size, bool), world.wrong[queue]))
    assert median(ratios) >= 1.5


def _until(able: Any, wrong: Any) -> int:
    """How many labels are given, of which some count, until those that count certify."""
    n = np.arange(1, wrong.size + 1)
    p = np.array([p_value(int(k), int(of), 0.05) for of, k in zip(n, wrong.cumsum(), strict=True)])
    enough = np.flatnonzero(p <= 0.05)
    return int(np.flatnonzero(able)[enough[0]]) + 1 if enough.size else int(able.size)
