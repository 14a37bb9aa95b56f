"""The truth by rule about groups of drawn photos: faults, switches, evidence, and reasons that summaries bear out."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.demo.photo_plan import BAFFLES, FAIL, GROUNDING, GROUPS, PASS, GroupPlan, suits
from infra.demo.scenes import Scene, Split, sample, seed_of
from infra.demo.verdicts import (
    BAD_BAFFLE,
    BAD_LABEL,
    FAULTS,
    FITTED,
    GOOD_BAR,
    GOOD_CABINET,
    LENIENT,
    SWITCHES,
    TIDY,
    WIRED,
    Outcome,
    Photo,
    answer_to,
    faults,
    judge,
    rules,
)
from infra.demo.wording import IRRELEVANT, MISSING_BAFFLE
from tasks.verdicts.answers import read

seeds = st.builds(seed_of, st.sampled_from(Split), st.integers(0, 10**9 - 1))
missions = st.sampled_from(tuple(SWITCHES))
NOTHING = Photo(IRRELEVANT)

# What a summary has that bears out each fault.
WORDS = {
    MISSING_BAFFLE: ("两台BBU之间缺少挡风板",),
    BAD_BAFFLE: ("挡风板/安装不规范",),
    "机柜侧接地螺丝不符合要求": ("接地螺丝/位置:机柜侧/不符合要求",),
    "接地排侧接地螺丝不符合要求": ("接地螺丝/位置:接地排侧/不符合要求",),
    "接地线散乱": ("接地线/散乱",),
    BAD_LABEL: ("标签/", "无法识别"),
    "光纤无保护": ("光纤/无保护",),
    "安装螺丝不符合要求": ("安装螺丝/不符合要求",),
}


def photo(*, faults: tuple[str, ...] = (), shows: tuple[str, ...] = ()) -> Photo:
    return Photo("…", frozenset(faults), frozenset(shows))


def scenes_of(plan: GroupPlan, number: int) -> list[Scene]:
    """A demo group's scenes, without photos that it shares and one that cannot be read."""
    found = []
    for index in range(plan.shares, plan.photos - (plan.oddity == "truncated")):
        start = number * 10_000_000 + index * 1_000_000
        candidates = (sample(seed_of(Split.PHOTOS, start + step)) for step in range(1_000_000))
        found.append(next(scene for scene in candidates if suits(plan, index, scene)))
    return found


@given(seeds)
@settings(max_examples=400, deadline=None)
def test_a_fault_is_one_whose_words_stand_in_the_summary(seed: int) -> None:
    seen = Photo.of(sample(seed))
    for fault in FAULTS:
        there = [entry for entry in seen.text.split("，") if all(word in entry for word in WORDS[fault])]
        assert (fault in seen.faults) == bool(there), (fault, seen.text)


@given(st.lists(seeds, min_size=1, max_size=8), missions, st.data())
@settings(max_examples=300, deadline=None)
def test_a_group_fails_if_and_only_if_a_photo_has_a_fault(some: list[int], mission: str, data: st.DataObject) -> None:
    on = frozenset(data.draw(st.sets(st.sampled_from(SWITCHES[mission]))))
    photos = [Photo.of(sample(seed)) for seed in some]
    outcome = judge(mission, photos, on)
    assert (outcome.verdict == "不通过") == any(faults(one, mission, on) for one in photos)
    for text, numbers in outcome.clauses:
        assert list(numbers) == sorted(set(numbers))
        if outcome.verdict == "不通过":
            assert numbers == tuple(n for n, one in enumerate(photos, 1) if text in faults(one, mission, on))
        else:
            assert bool(numbers) == (outcome.verdict == "通过")
    told = read(answer_to(outcome, "seed"))
    assert not told.violations
    assert told.reason == outcome.reason
    assert outcome.verdict in (told.verdict, None)


@pytest.mark.parametrize("mission", SWITCHES)
def test_every_switch_turns_one_fault_on_or_off(mission: str) -> None:
    for bits in product((False, True), repeat=4):
        on = frozenset(switch for switch, bit in zip(SWITCHES[mission], bits, strict=True) if bit)
        for switch in SWITCHES[mission]:
            more, fewer = rules(mission, on | {switch}), rules(mission, on - {switch})
            assert len(more) - len(fewer) == (-1 if switch in LENIENT else 1)
        assert rules(mission, on) == tuple(fault for fault in FAULTS if fault in rules(mission, on))


@pytest.mark.parametrize(
    ("mission", "photos", "on", "verdict", "reason"),
    [
        (BAFFLES, [photo(shows=(FITTED,))], "", "通过", "挡风板安装规范（image_1）"),
        (BAFFLES, [NOTHING, photo(faults=(BAD_BAFFLE,))], "", "不通过", "挡风板安装不规范（image_2）"),
        (BAFFLES, [photo(faults=(BAD_BAFFLE,), shows=("有挡风板",))], "crooked", "通过", "有挡风板（image_1）"),
        (BAFFLES, [NOTHING, NOTHING], "", None, "没有BBU设备（全部）"),
        (
            BAFFLES,
            [photo(faults=(BAD_BAFFLE, BAD_LABEL)), photo(faults=(BAD_LABEL,)), photo(faults=(BAD_BAFFLE,))],
            "label",
            "不通过",
            "挡风板安装不规范（image_1,image_3）；标签无法识别（image_1,image_2）",
        ),
        (
            GROUNDING,
            [photo(shows=(GOOD_CABINET,)), photo(shows=(GOOD_BAR, TIDY, WIRED))],
            "",
            "通过",
            "机柜侧接地螺丝符合要求（image_1）；接地排侧接地螺丝符合要求（image_2）；接地线捆扎整齐（image_2）",
        ),
        (GROUNDING, [photo(shows=(GOOD_BAR,))], "", None, "没有机柜侧接地螺丝（全部）；没有接地线（全部）"),
        (
            GROUNDING,
            [photo(shows=(GOOD_BAR, WIRED), faults=("接地线散乱",))],
            "cabinet wires",
            "通过",
            "接地排侧接地螺丝符合要求（image_1）；有接地线（image_1）",
        ),
    ],
)
def test_outcomes(mission: str, photos: list[Photo], on: str, verdict: str | None, reason: str) -> None:
    outcome = judge(mission, photos, frozenset(on.split()))  # type: ignore[arg-type]
    assert (outcome.verdict, outcome.reason) == (verdict, reason)


def test_where_evidence_is_missing_a_coin_decides_and_is_not_sure() -> None:
    told = [read(answer_to(Outcome(None, (("没有BBU设备", ()),)), f"{seed}")) for seed in range(400)]
    assert 150 < sum(one.verdict == "通过" for one in told) < 250
    assert all(one.confidence is not None and 0.5 <= one.confidence < 0.6 for one in told)
    sure = [read(answer_to(Outcome("通过", (("挡风板安装规范", (1,)),)), f"{seed}")) for seed in range(100)]
    assert all(one.confidence is not None and 0.9 <= one.confidence < 1 for one in sure)


@pytest.mark.parametrize("number", [n for n, plan in enumerate(GROUPS) if plan.label in (PASS, FAIL)])
def test_the_labels_of_the_demo_are_what_the_rules_say(number: int) -> None:
    plan = GROUPS[number]
    outcome = judge(plan.mission, [Photo.of(scene) for scene in scenes_of(plan, number)])
    assert outcome.verdict == {PASS: "通过", FAIL: "不通过"}[plan.label]
