"""The wordings of guidance: many for each switch, and those of an examination are in no lesson."""

from __future__ import annotations

import random
from typing import get_args

import pytest

from infra.demo.switches import NEW_REMARKS, REMARKS, Phrasebook, Wording
from infra.demo.verdicts import LENIENT, SWITCHES, Switch
from tasks.records.guidance import Rule


def said(wording: Wording, switch: Switch, *, idle: bool = False) -> set[str]:
    book, rng = Phrasebook(wording), random.Random(0)
    return {(book.idle if idle else book.switched)(switch, rng) for _ in range(4000)}


@pytest.mark.parametrize("switch", get_args(Switch))
def test_every_switch_has_many_wordings_and_some_that_no_lesson_has(switch: Switch) -> None:
    taught = said("taught", switch) | said("taught", switch, idle=True)
    assert len(said("taught", switch)) >= 15
    for wording in ("new sentence", "new words"):
        new = said(wording, switch)  # type: ignore[arg-type]
        assert len(new) >= 4
        assert not new & taught


@pytest.mark.parametrize("switch", get_args(Switch))
def test_what_leaves_a_switch_off_never_reads_like_what_turns_it_on(switch: Switch) -> None:
    for wording in get_args(Wording):
        assert not said(wording, switch) & said(wording, switch, idle=True)
    other = next(one for one in get_args(Switch) if (one in LENIENT) != (switch in LENIENT))
    assert not said("taught", switch) & said("taught", other)


def test_a_sheet_has_a_line_for_every_switch_that_is_on_and_all_are_rules() -> None:
    rng = random.Random(1)
    for mission, switches in SWITCHES.items():
        for wording in get_args(Wording):
            for _ in range(200):
                on = frozenset(switch for switch in switches if rng.random() < 0.5)
                lines = Phrasebook(wording).lines(mission, on, rng)
                assert sorted(switch for _, switch in lines if switch) == sorted(on)
                assert all(Rule(key="G1", text=text) for text, _ in lines)
    assert not set(REMARKS) & set(NEW_REMARKS)
