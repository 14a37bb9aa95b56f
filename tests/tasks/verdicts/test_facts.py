"""Tests of facts: certain both ways, and unknown where the summaries do not tell."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.missions import Check, known_missions
from infra.demo.photo_plan import THEMES
from infra.demo.scenes import Split, sample, seed_of
from infra.demo.verdicts import Photo, judge
from infra.demo.wording import IRRELEVANT, summary
from tasks.records.verdicts import FactsReading, Verdict
from tasks.verdicts.facts import facts
from tests.builders import examples

BAFFLES, GROUNDING, MOUNTING = "挡风板安装检查", "BBU接地线检查", "BBU安装方式检查（正装）"
CABLING, RRU, POSITION, PIGTAIL = "BBU线缆布放要求", "RRU安装检查", "RRU位置检查", "RRU线缆"
TWO = "BBU设备/品牌:华为×2"
CABINET, BAR = "接地螺丝/位置:机柜侧/符合要求×1", "接地螺丝/位置:接地排侧/符合要求×2"
TIDY = "接地线/捆扎整齐×2"
PASS, FAIL = Verdict.PASS, Verdict.FAIL


def reading(mission: str, *summaries: str) -> FactsReading:
    """What the mission's checks say of photos with these summaries."""
    return facts(known_missions()[mission].checks, {f"image_{n}": text for n, text in enumerate(summaries, 1)})


@pytest.mark.parametrize(
    ("mission", "summaries", "verdict", "failing"),
    [
        (BAFFLES, [f"{TWO}，挡风板/安装规范×1"], PASS, []),
        (BAFFLES, [f"{TWO}，挡风板/安装不规范×1"], FAIL, ["需要的挡风板安装规范"]),
        (BAFFLES, [TWO], FAIL, ["非爱立信的两台BBU之间有挡风板"]),
        (BAFFLES, [TWO, "光模块×1"], FAIL, ["非爱立信的两台BBU之间有挡风板"]),
        # another photo shows a baffle: of the same place, or of another
        (BAFFLES, [TWO, "挡风板/安装规范×1"], None, []),
        (BAFFLES, ["BBU设备/品牌:爱立信×2"], PASS, []),
        (BAFFLES, ["BBU设备/品牌:华为×1，BBU设备/品牌:爱立信×1"], PASS, []),
        (BAFFLES, ["BBU设备/品牌:华为×1，BBU设备/品牌:中兴×1"], FAIL, ["非爱立信的两台BBU之间有挡风板"]),
        (BAFFLES, ["BBU设备×2"], None, []),
        (BAFFLES, ["BBU设备×2，挡风板/安装规范×1"], PASS, []),
        (BAFFLES, [f"{TWO}，挡风板×1"], None, []),
        # two photos may show one BBU
        (BAFFLES, ["BBU设备/品牌:华为×1"] * 2, PASS, []),
        # a crooked baffle where nobody knows whether it is needed
        (BAFFLES, ["BBU设备/品牌:华为×1，挡风板/安装不规范×1"], None, []),
        (BAFFLES, ["光纤/有保护×1"], FAIL, ["至少有一台BBU设备"]),
        (BAFFLES, [f"{TWO}，挡风板/安装不规范×1", "光纤"], FAIL, ["需要的挡风板安装规范"]),
        (BAFFLES, ["光纤/有保护×1", "光纤"], None, []),
        (BAFFLES, [TWO, "光纤"], None, []),
        (BAFFLES, [f"{TWO}，挡风板/安装规范×1", "光纤"], None, []),
        (GROUNDING, [f"{CABINET}，{BAR}，{TIDY}"], PASS, []),
        (GROUNDING, [CABINET, BAR, TIDY], PASS, []),
        (GROUNDING, [CABINET, TIDY], FAIL, ["有接地排侧接地螺丝"]),
        (GROUNDING, [CABINET, TIDY, "接地螺丝×1"], None, []),
        (GROUNDING, [CABINET, BAR], FAIL, ["有接地线"]),
        (GROUNDING, [CABINET, BAR.replace("符合", "不符合"), TIDY], FAIL, ["接地螺丝符合要求"]),
        (GROUNDING, [CABINET, BAR, f"接地线/散乱×1，{TIDY}"], FAIL, ["接地线捆扎整齐"]),
        (GROUNDING, [CABINET, BAR, "接地线×1"], None, []),
        (MOUNTING, ["BBU设备×1", "安装螺丝/符合要求×2"], PASS, []),
        (MOUNTING, ["BBU设备×1", "安装螺丝/不符合要求×2"], FAIL, ["安装螺丝符合要求"]),
        (MOUNTING, ["BBU设备×1"], None, []),
        (MOUNTING, ["安装螺丝/符合要求×2"], FAIL, ["至少有一台BBU设备"]),
        (CABLING, ["光纤/有保护×1"], None, []),
        (CABLING, ["光纤/有保护×1", "光纤/无保护×1"], FAIL, ["光纤有保护"]),
        (
            CABLING,
            ["光纤插头/位置:BBU端/符合要求×1，光纤/有保护,弯曲半径合理×1", "光纤插头/位置:ODF端/符合要求×1"],
            PASS,
            [],
        ),
        (CABLING, ["光纤插头/位置:ODF端/不符合要求×1"], FAIL, ["ODF端的光纤插头符合要求"]),
        (RRU, ["RRU设备×1，紧固件/紧固到位×2"], PASS, []),
        (RRU, ["RRU设备×1，紧固件/松动×2"], FAIL, ["紧固件紧固到位"]),
        (RRU, ["RRU设备×1"], FAIL, ["每个安装点都有紧固件"]),
        # no summary says which point it shows
        (RRU, ["RRU设备×1，紧固件/紧固到位×2"] * 2, None, []),
        (RRU, ["RRU设备×1，紧固件/松动×2", "无关图片"], None, []),
        (POSITION, ["紧固件×1，接地线×1，标签/可识别×1"], PASS, []),
        (POSITION, ["紧固件×1，接地线×1，标签/无法识别×1"], FAIL, ["每个安装点都有能看清的标签"]),
        (POSITION, ["紧固件×1，接地线×1", "标签/可识别×1"], None, []),
        (PIGTAIL, ["尾纤/带套管×1"], PASS, []),
        (PIGTAIL, ["尾纤/无套管×1"], FAIL, ["尾纤带套管"]),
        (PIGTAIL, ["尾纤×1，套管×1"], None, []),
        (PIGTAIL, ["RRU设备×1"], FAIL, ["有尾纤"]),
    ],
)
def test_the_missions_checks_say_what_the_field_requires(
    mission: str, summaries: list[str], verdict: Verdict | None, failing: list[str]
) -> None:
    assert reading(mission, *summaries) == FactsReading(verdict=verdict, failing=tuple(failing))


@pytest.mark.parametrize("mission", known_missions())
def test_photos_that_show_nothing_are_no_evidence_either_way(mission: str) -> None:
    assert reading(mission, IRRELEVANT, IRRELEVANT) == reading(mission) == FactsReading(verdict=None)
    assert reading(mission, "nothing that was read") == FactsReading(verdict=None)


def test_a_mission_without_checks_knows_nothing() -> None:
    assert facts((), {"image_1": TWO}) == FactsReading(verdict=None)


@pytest.mark.parametrize(
    ("theme", "mission", "verdict"),
    [
        ("baffle fitted", BAFFLES, PASS),
        ("baffle missing", BAFFLES, FAIL),
        ("baffle crooked", BAFFLES, FAIL),
        ("two Ericsson", BAFFLES, PASS),
        ("grounded", GROUNDING, PASS),
        ("screw amiss", GROUNDING, FAIL),
        ("wires loose", GROUNDING, FAIL),
    ],
)
def test_the_facts_of_drawn_photos_are_those_that_they_were_drawn_for(
    theme: str, mission: str, verdict: Verdict
) -> None:
    scenes = [sample(seed_of(Split.TESTS, index)) for index in range(3000)]
    telling = [summary(scene) for scene in scenes if THEMES[theme][0](scene)]
    assert len(telling) >= 20
    assert {reading(mission, text).verdict for text in telling} == {verdict}


def test_the_facts_never_contradict_the_demos_own_rules_where_those_can_tell() -> None:
    agreed = 0
    for number in range(400):
        rng = random.Random(number)
        mission = rng.choice((BAFFLES, GROUNDING))
        scenes = [sample(seed_of(Split.TESTS, 6_000_000 + number * 6 + place)) for place in range(rng.randint(1, 6))]
        photos = [Photo.of(scene) for scene in scenes]
        right, found = judge(mission, photos).verdict, reading(mission, *(photo.text for photo in photos)).verdict
        if right is not None and found is not None:
            assert found == right
            agreed += 1
    assert agreed >= 200


@examples()
@given(st.lists(st.integers(0, 400), min_size=1, max_size=5), st.sampled_from(list(known_missions())))
def test_neither_the_order_of_the_photos_nor_showing_one_twice_changes_the_facts(
    indices: list[int], mission: str
) -> None:
    texts = [summary(sample(seed_of(Split.TESTS, index))) for index in indices]
    told = reading(mission, *texts)
    assert reading(mission, *texts[::-1]).verdict == told.verdict
    if not any(check.each_point for check in known_missions()[mission].checks):
        assert reading(mission, *texts, texts[0]).verdict == told.verdict


@examples()
@given(st.lists(st.integers(0, 400), min_size=1, max_size=4), st.sampled_from(list(known_missions())))
def test_what_fails_for_certain_goes_on_failing_unless_what_was_missing_is_shown(
    indices: list[int], mission: str
) -> None:
    checks = known_missions()[mission].checks
    lasting = [check for check in checks if check.every is not None and not check.each_point]
    texts = {f"image_{n}": summary(sample(seed_of(Split.TESTS, index))) for n, index in enumerate(indices, 1)}
    fewer = facts(lasting, dict(list(texts.items())[:1]))
    more = facts(lasting, texts)
    assert set(fewer.failing) <= set(more.failing)


def test_a_check_is_written_like_a_summary() -> None:
    check = Check(name="标签是黄色的", every={"标签": "颜色:黄色"})
    for text, verdict in (
        ("标签/颜色:黄色,可识别×1", PASS),
        ("标签/颜色:白色,可识别×1", FAIL),
        ("标签/可识别×1", None),
    ):
        assert facts((check,), {"image_1": text}).verdict == verdict
