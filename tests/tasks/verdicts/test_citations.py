"""Tests of citations: what the cited photos bear out is let alone, however it is worded; what they do not is caught."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.demo.scenes import BAFFLE, BBU, Split, sample, seed_of
from infra.demo.verdicts import SWITCHES, Photo, judge
from infra.demo.wording import needs_baffle, summary
from tasks.records.verdicts import Clause
from tasks.verdicts.answers import read_reason
from tasks.verdicts.citations import check_clauses
from tests.builders import examples
from tests.tasks.verdicts.reasons import MUTATIONS, Said, Ticket, draw_said, draw_ticket, dropped_citation, worded

SUMMARIES = {
    "image_1": "BBU设备/品牌:华为×1，安装螺丝/不符合要求×1，光模块×3，接地线/散乱×2，备注: 接地线未捆扎",
    "image_2": "BBU设备/品牌:华为×2，挡风板/安装不规范×1，标签/颜色:黄色,无法识别×1，标签/颜色:白色,可识别×1",
    "image_3": "接地排×1，接地螺丝/位置:机柜侧/不符合要求×1，接地螺丝/位置:接地排侧/符合要求×2，接地线/捆扎整齐×2",
    "image_4": "光纤/无保护×2，光纤/有保护×1，光模块×2",
    "image_5": "BBU设备/品牌:中兴×2，安装螺丝/符合要求×4，备注: 两台BBU之间缺少挡风板",
    "image_6": "无关图片",
    "image_7": "BBU设备/品牌:爱立信×2，挡风板/安装规范×1",
    "image_8": "接地螺丝/位置:机柜侧/符合要求×1，接地螺丝/位置:接地排侧/不符合要求×2，"
    "标签/颜色:黄色,无法识别×2，备注: 没有可识别的标签",
}

# A clause, and the numbers of the photos that it cites; * is 全部.
RIGHT = (
    ("两台BBU之间缺少挡风板", "5"),
    ("挡风板安装不规范", "2"),
    ("机柜侧接地螺丝不符合要求", "3"),
    ("接地线散乱", "1"),
    ("接地线未捆扎", "1"),
    ("标签无法识别", "2"),
    ("标签无法识别", "28"),
    ("光纤无保护", "4"),
    ("安装螺丝不符合要求", "1"),
    ("挡风板安装规范", "7"),
    ("只有一台BBU设备，不需要挡风板", "1"),
    ("品牌:爱立信的BBU设备不需要挡风板", "7"),
    ("接地线捆扎整齐", "3"),
    ("没有RRU设备", "*"),
    ("没有尾纤", "*"),
    ("image_2中挡风板存在安装不规范的情况", "2"),
    ("3个光模块", "1"),
    ("光模块×3", "1"),
    ("BBU设备有两台", "257"),
    ("两台BBU设备，挡风板安装不规范", "2"),
    ("黄色标签无法识别", "2"),
    ("白色标签可识别", "2"),
    ("没有可识别的标签", "8"),
    ("存在不规范安装的挡风板", "2"),
    ("挡风板未按规范安装", "2"),
    ("挡风板未安装规范", "2"),
    ("光纤没有保护", "4"),
    ("光纤缺少保护", "4"),
    ("光纤裸露，无保护", "4"),
    ("BBU为爱立信品牌，无需挡风板", "7"),
    ("图片image_6为无关图片", "6"),
    ("接地线散乱，不符合要求", "1"),
    ("两台BBU之间缺少挡风板，不符合要求", "5"),
    ("缺少挡风板", "5"),
    ("挡风板缺失", "5"),
    ("BBU设备为两台华为设备，挡风板安装不规范，不合格", "2"),
    ("未发现问题", "1"),
    ("机柜侧接地螺丝1个不符合要求，接地排侧接地螺丝符合要求", "3"),
    ("标签清晰可识别", "2"),
    ("接地螺丝中有2个符合要求", "3"),
    ("有两根光纤无保护", "4"),
    ("接地排侧的接地螺丝均符合要求", "3"),
    ("没有发现光纤插头", "*"),
    ("一台BBU设备", "1"),
    ("BBU的安装螺丝不符合要求", "1"),
    ("挡风板安装符合要求", "7"),
    ("BBU设备安装螺丝均符合要求", "5"),
    ("接地螺丝（机柜侧）不符合要求", "3"),
    ("需要挡风板但没有安装", "5"),
    ("标签上的字迹模糊，无法识别", "2"),
    ("非爱立信的两台BBU设备之间缺少挡风板", "5"),
    ("品牌为中兴的两台BBU之间没有挡风板", "5"),
    ("接地线有2根且散乱", "1"),
    ("机柜侧的接地螺丝存在不符合要求的情况", "3"),
    ("光模块数量为3", "1"),
    ("BBU设备/品牌:华为×2", "2"),
    ("接地螺丝/位置:机柜侧/不符合要求×1", "3"),
    ("标签/颜色:黄色,无法识别×1", "2"),
    ("image_2显示有两台华为BBU设备，且两台BBU之间的挡风板安装不规范", "2"),
    ("照片中可见华为BBU一台，只有一台BBU设备，因此不需要挡风板", "1"),
    ("BBU设备为爱立信品牌，根据判读常识不需要挡风板", "7"),
    ("image_5中两台中兴BBU之间缺少挡风板，不符合要求", "5"),
    ("接地线未捆扎整齐", "1"),
    ("接地线没有捆扎", "1"),
    ("接地线存在散乱现象", "1"),
    ("存在未捆扎的接地线", "1"),
    ("机柜侧的接地螺丝有1个不符合要求，不满足判定要求", "3"),
    ("机柜侧接地螺丝不合格，不符合要求", "3"),
    ("接地排侧的接地螺丝符合要求，但机柜侧的接地螺丝不符合要求", "3"),
    ("黄色标签2张均无法识别", "8"),
    ("标签均无法识别", "8"),
    ("所有标签无法识别", "8"),
    ("备注指出没有可识别的标签", "8"),
    ("备注：两台BBU之间缺少挡风板", "5"),
    ("备注显示“两台BBU之间缺少挡风板”", "5"),
    ("光纤部分无保护，存在隐患", "4"),
    ("有2根光纤无保护，1根光纤有保护", "4"),
    ("存在无保护的光纤2根", "4"),
    ("整组照片没有尾纤", "*"),
    ("全部照片均未见RRU设备", "*"),
    ("没有发现RRU设备和尾纤", "*"),
    ("未见RRU设备、紧固件", "*"),
    ("挡风板已按要求安装", "7"),
    ("挡风板安装到位且规范", "7"),
    ("两台BBU均为爱立信，无需挡风板，符合要求", "7"),
    ("有BBU设备，符合判定要求", "1"),
    ("至少有一台BBU设备", "1257"),
    ("BBU设备2台，挡风板1块，挡风板安装规范", "7"),
    ("安装螺丝4颗，全部符合要求", "5"),
    ("安装螺丝符合要求，固定牢靠", "5"),
    ("4个安装螺丝都符合要求", "5"),
    ("接地线捆扎整齐，接地螺丝有不符合要求的", "3"),
    ("BBU安装螺丝不符合要求，判定不通过", "1"),
    ("image_6是无关图片，不计入判定", "6"),
    ("由于image_5中缺少挡风板，判定为不通过", "5"),
    ("缺少必要的挡风板", "5"),
    ("两台BBU之间没有安装挡风板", "5"),
    ("两台BBU之间未安装挡风板", "5"),
    ("挡风板没有安装", "5"),
    ("BBU之间未见挡风板", "5"),
    ("需要挡风板却缺少挡风板", "5"),
    ("标签为黄色且无法识别", "2"),
    ("标签看不清", "28"),
    ("接地螺丝不符合要求", "38"),
    ("螺丝不符合要求", "138"),
    ("光纤无保护措施", "4"),
    ("光纤未做保护", "4"),
    ("挡风板安装不符合要求", "2"),
    ("挡风板不规范", "2"),
    ("未规范安装挡风板", "2"),
    ("挡风板未能规范安装", "2"),
    ("两台BBU（品牌:华为）之间的挡风板安装不规范", "2"),
    ("华为BBU设备2台", "2"),
    ("BBU品牌为华为", "12"),
    ("同一台BBU设备", "1"),
    ("机柜侧与接地排侧接地螺丝均有", "38"),
    ("接地排侧接地螺丝2颗符合要求", "3"),
    ("只有一台BBU设备，不需要挡风板，符合要求", "1"),
    ("至少有一台BBU设备，符合要求", "1"),
    ("两台BBU之间缺少挡风板，因此不符合要求", "5"),
)
WRONG = (
    ("挡风板安装规范", "2"),
    ("挡风板安装不规范", "7"),
    ("挡风板安装不规范", "27"),
    ("机柜侧接地螺丝不符合要求", "8"),
    ("接地排侧接地螺丝符合要求", "8"),
    ("安装螺丝符合要求", "1"),
    ("光纤有保护", "1"),
    ("标签可识别", "8"),
    ("标签无法识别", "1"),
    ("三台BBU", "2"),
    ("3台BBU设备", "2"),
    ("4个光模块", "1"),
    ("光模块×4", "1"),
    ("两台BBU之间缺少挡风板", "2"),
    ("两台BBU之间缺少挡风板", "7"),
    ("没有挡风板", "*"),
    ("没有BBU设备", "*"),
    ("没有BBU设备", "6"),
    ("没有RRU设备", "1"),
    ("尾纤有套管", "1"),
    ("只有一台BBU设备，不需要挡风板", "2"),
    ("品牌:爱立信的BBU设备不需要挡风板", "2"),
    ("品牌:诺基亚的BBU设备", "2"),
    ("红色标签", "2"),
    ("接地线捆扎整齐", "1"),
    ("三台BBU之间缺少挡风板", "5"),
    ("两台BBU之间缺少尾纤", "5"),
    ("安装螺丝都符合要求", "15"),
    ("标签均可识别", "2"),
    ("挡风板安装不规范", "9"),
    ("型号:5900的BBU设备", "2"),
    ("BBU的安装螺丝不符合要求", "12"),
    ("没有无法识别的标签", "*"),
    ("没有接地排侧接地螺丝", "*"),
    ("白色标签无法识别", "2"),
    ("黄色标签可识别", "2"),
    ("BBU设备共8台", "25"),
    ("光纤捆扎整齐", "4"),
    ("两台BBU之间缺少挡风板", "*"),
    ("image_1中挡风板安装不规范", "2"),
    ("两台BBU之间有挡风板", "5"),
    ("挡风板安装到位", "5"),
    ("黄色标签3张均无法识别", "8"),
    ("全部照片均未见BBU设备", "*"),
    ("没有发现RRU设备和标签", "*"),
    ("5个安装螺丝都符合要求", "5"),
    ("机柜侧与接地排侧接地螺丝都不符合要求", "3"),
    ("螺丝符合要求", "1"),
    ("标签全部可识别", "2"),
    ("两台BBU均为华为", "7"),
    ("中兴BBU", "2"),
    ("接地排侧接地螺丝3颗符合要求", "3"),
    ("光纤都有保护", "4"),
    ("挡风板完好", "5"),
    ("BBU设备三台，挡风板一块", "7"),
    ("没有缺少挡风板", "5"),
    ("标签没有无法识别", "8"),
    ("尾纤带套管", "4"),
    ("RRU设备紧固到位", "1"),
    ("光纤弯曲半径合理", "4"),
    ("安装螺丝松动", "5"),
    ("接地线整齐", "1"),
    ("image_7中挡风板安装规范", "2"),
    ("需要挡风板，安装规范", "5"),
    ("有光模块，但是符合要求", "1"),
)


def cited(numbers: str) -> tuple[str, ...]:
    """The photos of a shorthand."""
    return ("全部",) if numbers == "*" else tuple(f"image_{number}" for number in numbers)


def checked(text: str, cites: tuple[str, ...], summaries: dict[str, str] = SUMMARIES) -> Clause:
    """One clause after the check."""
    (clause,) = check_clauses([Clause(text=text, cites=cites, check="uncited")], summaries)
    assert (clause.text, clause.cites) == (text, cites)
    return clause


@pytest.mark.parametrize(("text", "numbers"), RIGHT)
def test_what_the_cited_photos_bear_out_is_no_false_alarm_however_it_is_worded(text: str, numbers: str) -> None:
    assert checked(text, cited(numbers)).check == "ok"


@pytest.mark.parametrize(("text", "numbers"), WRONG)
def test_what_the_cited_photos_do_not_bear_out_is_wrong(text: str, numbers: str) -> None:
    clause = checked(text, cited(numbers))
    assert (clause.check, clause.entries) == ("wrong", ())


@pytest.mark.parametrize("text", [text for text, _ in (*RIGHT, *WRONG)])
def test_without_a_photo_a_clause_is_uncited_whatever_it_says(text: str) -> None:
    assert checked(text, ()).check == "uncited"


@pytest.mark.parametrize(
    ("text", "numbers", "entries"),
    [
        ("机柜侧接地螺丝不符合要求", "3", ["接地螺丝/位置:机柜侧/不符合要求×1"]),
        ("两台BBU之间缺少挡风板", "5", ["BBU设备/品牌:中兴×2", "备注: 两台BBU之间缺少挡风板"]),
        ("标签无法识别", "28", ["标签/颜色:黄色,无法识别×1", "标签/颜色:黄色,无法识别×2"]),
        ("没有RRU设备", "*", []),
        ("不需要挡风板", "1", []),
    ],
)
def test_a_clause_is_told_with_the_entries_that_bear_it_out(text: str, numbers: str, entries: list[str]) -> None:
    assert checked(text, cited(numbers)).entries == tuple(entries)


def test_a_reason_is_checked_clause_by_clause() -> None:
    reason = "两台BBU之间缺少挡风板（image_5）；挡风板安装规范（image_2,image_5）；接地线散乱"
    assert [clause.check for clause in check_clauses(read_reason(reason), SUMMARIES)] == ["ok", "wrong", "uncited"]


def test_counts_are_never_added_over_photos() -> None:
    photos = {"image_1": "BBU设备×1", "image_2": "BBU设备×1"}
    assert checked("两台BBU设备", ("image_1", "image_2"), photos).check == "wrong"
    assert checked("一台BBU设备", ("image_1", "image_2"), photos).check == "ok"


def test_all_that_is_said_of_an_object_must_stand_in_one_entry() -> None:
    photos = {"image_1": "接地螺丝/位置:机柜侧/符合要求×1，接地螺丝/位置:接地排侧/不符合要求×1"}
    assert checked("机柜侧接地螺丝不符合要求", ("image_1",), photos).check == "wrong"
    assert checked("接地排侧接地螺丝不符合要求", ("image_1",), photos).check == "ok"


def test_a_summary_that_breaks_its_grammar_bears_nothing_out() -> None:
    assert checked("有BBU设备", ("image_1",), {"image_1": "BBU设备"}).check == "wrong"


def _names(said: Said) -> tuple[str, ...]:
    return ("全部",) if said.form == "absent" else tuple(f"image_{number}" for number in said.cites)


def _drawn(count: int) -> list[tuple[random.Random, Ticket, Said]]:
    drawn = []
    for number in range(count):
        rng = random.Random(f"citations {number}")
        ticket = draw_ticket(rng, 2_000_000 + number * 6)
        drawn.append((rng, ticket, draw_said(rng, ticket)))
    return drawn


def test_mutated_reasons_are_caught_and_right_ones_are_not() -> None:
    """Of 600 right clauses none is called wrong; of each kind of mutation at least 99 in 100 are caught."""
    alarms: list[tuple[str, tuple[str, ...], dict[str, str]]] = []
    caught: Counter[str] = Counter()
    made: Counter[str] = Counter()
    for rng, ticket, said in _drawn(600):
        text, cites = worded(rng, said), _names(said)
        if checked(text, cites, ticket.summaries).check != "ok":
            alarms.append((text, cites, ticket.summaries))
        for mutation in MUTATIONS:
            mutated = mutation(rng, ticket, said)
            if mutated is None:
                continue
            cites = () if mutation is dropped_citation else _names(mutated)
            made[mutation.__name__] += 1
            caught[mutation.__name__] += checked(worded(rng, mutated), cites, ticket.summaries).check != "ok"
    assert alarms == []
    assert min(made.values()) >= 400
    assert {kind: f"{caught[kind]} of {made[kind]}" for kind in made if caught[kind] < 0.99 * made[kind]} == {}


def test_the_reasons_of_the_demos_own_rules_are_all_right() -> None:
    for number in range(300):
        rng = random.Random(number)
        mission = rng.choice(list(SWITCHES))
        on = frozenset(switch for switch in SWITCHES[mission] if rng.random() < 0.3)
        scenes = [sample(seed_of(Split.TESTS, 5_000_000 + number * 6 + place)) for place in range(rng.randint(1, 6))]
        photos = [Photo.of(scene) for scene in scenes]
        summaries = {f"image_{place}": photo.text for place, photo in enumerate(photos, 1)}
        clauses = check_clauses(read_reason(judge(mission, photos, on).reason), summaries)
        assert [clause for clause in clauses if clause.check != "ok"] == [], summaries


def test_a_remark_that_says_what_is_missing_bears_out_that_and_no_more() -> None:
    scenes = [sample(seed_of(Split.TESTS, 4_000_000 + number)) for number in range(600)]
    missing = [scene for scene in scenes if needs_baffle(scene) and not scene.count(BAFFLE)][:40]
    others = [scene for scene in scenes if scene.count(BBU) == 2 and scene.count(BAFFLE)][:40]
    assert len(missing) == len(others) == 40
    for lacking, other in zip(missing, others, strict=True):
        photos = {"image_1": summary(lacking), "image_2": summary(other)}
        for text in (
            "两台BBU之间缺少挡风板",
            "两台BBU设备之间没有挡风板",
            "image_1中缺少挡风板",
            "需要挡风板但未安装挡风板",
        ):
            assert checked(text, ("image_1",), photos).check == "ok"
        for text, cites in (
            ("两台BBU之间缺少挡风板", ("image_2",)),
            ("两台BBU之间缺少挡风板", ("image_1", "image_2")),
            ("两台BBU之间缺少挡风板", ("全部",)),
            ("三台BBU之间缺少挡风板", ("image_1",)),
            ("两台BBU之间缺少尾纤", ("image_1",)),
            ("两台RRU之间缺少挡风板", ("image_1",)),
            ("挡风板安装不规范", ("image_1",)),
        ):
            assert checked(text, cites, photos).check == "wrong", (text, cites)


@examples()
@given(st.text(max_size=60), st.lists(st.sampled_from(["全部", "image_1", "image_8", "image_9"]), max_size=3))
def test_any_text_at_all_can_be_checked(text: str, cites: list[str]) -> None:
    clause = checked(text, tuple(cites))
    assert (clause.check == "uncited") == (not cites)
    assert clause.check == "ok" or not clause.entries
    assert "image_9" not in cites or "全部" in cites or clause.check == "wrong"


@examples()
@given(st.sampled_from((*RIGHT, *WRONG)), st.permutations(list(SUMMARIES)))
def test_the_order_of_the_photos_changes_nothing(case: tuple[str, str], order: list[str]) -> None:
    text, numbers = case
    mixed = {name: SUMMARIES[name] for name in order}
    assert checked(text, cited(numbers), mixed).check == checked(text, cited(numbers)).check


@examples()
@given(st.sampled_from([case for case in (*RIGHT, *WRONG) if "*" not in case[1] and "9" not in case[1]]))
def test_a_photo_more_in_the_ticket_changes_no_clause_that_does_not_cite_it(case: tuple[str, str]) -> None:
    text, numbers = case
    more = {**SUMMARIES, "image_9": "无关图片"}
    assert checked(text, cited(numbers), more).check == checked(text, cited(numbers)).check


def test_a_clause_that_repeats_an_entry_is_right_for_every_entry_of_drawn_photos() -> None:
    for number in range(100):
        ticket = draw_ticket(random.Random(number), 3_000_000 + number * 6)
        for name, text in ticket.summaries.items():
            for entry in text.split("，备注")[0].split("，"):
                assert checked(entry, (name,), ticket.summaries).check == "ok", entry
