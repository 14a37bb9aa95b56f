"""Tests of certificates in the store: which counts, which is void, and that no two looks have one number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blocks.errors import ObjectExists
from blocks.local_store import LocalStore
from tasks.records.certificates import Certificate, Look, Risk, certificate_key
from tasks.records.errors import ManifestError
from tasks.records.sealed import sealed
from tasks.records.verdicts import Verdict
from tasks.verdicts.certificates import (
    Certified,
    digest_of,
    looks_of,
    put_certificate,
    put_look,
    read_newest,
    thresholds,
)
from tests.builders import MISSION, sha

JUDGE, STAGE_A = sha("judge"), sha("stage a")


def make_certificate(
    look: int = 1, judge: str = JUDGE, stage_a: str = STAGE_A, risk: Risk = Risk.FALSE_PASS, **told: Any
) -> Certificate:
    """A certificate."""
    values: dict[str, Any] = {
        "alpha": 0.05,
        "delta": 0.1,
        "spent": 0.05,
        "threshold": 0.9,
        "n": 59,
        "k": 0,
        "p": 0.0485,
        "auto_share": 0.7,
        "lacking": 0,
        "curve": (),
        "draw_seed": 0,
        "labels": 59,
        "labels_sha256": sha("labels"),
        "at": f"2026-03-{look:02d}T08:00:00Z",
        "by": None,
    }
    key = certificate_key(judge, stage_a)
    whose = {"mission": MISSION, "certificate_key": key, "judge_key": judge, "stage_a": stage_a}
    return Certificate(**{**whose, "risk": risk, "look": look, **values, **told})


def make_look(look: int = 1, by: str | None = None) -> Look:
    """A look without a group."""
    return Look(
        mission=MISSION,
        risk=Risk.FALSE_PASS,
        certificate_key=certificate_key(JUDGE, STAGE_A),
        judge_key=JUDGE,
        stage_a=STAGE_A,
        look=look,
        alpha=0.05,
        delta=0.1,
        spent=0.05,
        thresholds=(0.5,),
        auto_shares=(1.0,),
        begin=0,
        unlabelled=0,
        draw_seed=0,
        labels=(),
        opened_at="2026-03-01T08:00:00Z",
        by=by,
    )


def test_the_newest_look_of_each_key_and_direction_counts(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    other = make_certificate(judge=sha("other"))
    failed = make_certificate(look=12, risk=Risk.FALSE_FAIL, threshold=None)
    for one in (make_certificate(), make_certificate(look=2, threshold=0.8), other, failed):
        put_certificate(store, one)
    newest = read_newest(store, MISSION)
    assert {(one.judge_key, one.risk, one.look) for one in newest} == {
        (JUDGE, Risk.FALSE_PASS, 2),
        (JUDGE, Risk.FALSE_FAIL, 12),
        (other.judge_key, Risk.FALSE_PASS, 1),
    }
    certified = Certified(STAGE_A, newest)
    assert thresholds(certified.in_force(JUDGE)) == {Verdict.PASS: 0.8}
    assert thresholds(Certified(sha("another stage a"), newest).in_force(JUDGE)) == {}
    assert read_newest(store, "another mission") == ()


def test_certificates_in_force_come_in_one_order_and_none_has_no_digest() -> None:
    both = [make_certificate(risk=Risk.FALSE_FAIL), make_certificate()]
    assert (
        Certified(STAGE_A, both).in_force(JUDGE) == Certified(STAGE_A, both[::-1]).in_force(JUDGE) == (both[1], both[0])
    )
    assert digest_of(()) is None
    assert digest_of(both) != digest_of(both[:1])


def test_a_void_certificate_names_what_differs_both_ways() -> None:
    newest = [make_certificate(), make_certificate(look=2)]
    assert Certified(STAGE_A, newest).void(JUDGE) is None
    assert Certified(STAGE_A).void(JUDGE) is None
    assert Certified(STAGE_A, [make_certificate(threshold=None)]).void(sha("other")) is None
    told = Certified(sha("new"), newest).void(sha("other"))
    assert told is not None
    for part in ("2026-03-02T08:00:00Z", JUDGE[:16], sha("other")[:16], STAGE_A[:16], sha("new")[:16]):
        assert part in told
    assert "Stage-A" not in str(Certified(STAGE_A, newest).void(sha("other")))


def test_no_two_looks_have_one_number_and_none_ends_twice(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    put_look(store, make_look(by="甲"))
    with pytest.raises(ObjectExists):
        put_look(store, make_look(by="乙"))
    put_certificate(store, make_certificate())
    with pytest.raises(ObjectExists):
        put_certificate(store, make_certificate(threshold=0.5))
    put_look(store, make_look(2))
    told = list(looks_of(store, MISSION, Risk.FALSE_PASS, make_look().certificate_key))
    assert told == [(sealed(make_look(by="甲")), sealed(make_certificate())), (sealed(make_look(2)), None)]
    assert list(looks_of(store, MISSION, Risk.FALSE_FAIL, make_look().certificate_key)) == []


def test_a_certificate_that_was_edited_by_hand_is_refused(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    put_certificate(store, make_certificate())
    (path,) = tmp_path.rglob("calibration.json")
    path.write_bytes(path.read_bytes().replace(b'"threshold": 0.9', b'"threshold": 0.5'))
    with pytest.raises(ManifestError, match="was changed"):
        read_newest(store, MISSION)
