"""Tests of the grammar of a summary: whatever a text is, it is a summary or every rule that it breaks is named."""

from __future__ import annotations

from collections.abc import Callable
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.records.grammar import IRRELEVANT, Entry, Summary, Violation, read
from tests.builders import examples
from tests.hangs import no_hang

LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"

attributes = st.text("设备光模块线缆华为品牌型号有护Bx09:-", min_size=1, max_size=6)
levels = st.lists(attributes, min_size=1, max_size=2).map(",".join)
descriptions = st.lists(levels, min_size=1, max_size=3).map("/".join)
entries = st.builds(Entry, descriptions, st.integers(1, 999_999_999))
remarks = st.text("需要复查，、有 ×3/;A", min_size=1, max_size=12).filter(lambda text: text == text.strip())
summaries = st.builds(
    Summary,
    st.lists(entries, min_size=1, max_size=3, unique_by=lambda entry: entry.description.casefold()).map(tuple),
    st.none() | remarks,
) | st.just(Summary(()))
plain = summaries.filter(lambda summary: not summary.irrelevant and summary.remark is None)


@examples()
@given(summaries)
def test_a_valid_summary_is_read_back_as_it_was_written(summary: Summary) -> None:
    reading = read(str(summary))
    assert reading.summary == summary
    assert reading.violations == ()


@examples()
@given(st.text(st.characters()) | st.text("×，/,备注: 无关图片。[]{}12 \n<|im_end>BU", max_size=30), st.booleans())
def test_reading_never_raises_and_gives_a_summary_or_violations(text: str, cut_off: bool) -> None:
    reading = read(text, cut_off=cut_off)
    assert (reading.summary is None) is bool(reading.violations)
    assert len(set(reading.violations)) == len(reading.violations)
    assert (Violation.CUT_OFF in reading.violations) is cut_off
    if reading.summary is not None:
        assert str(reading.summary) == text
        assert len(text.splitlines()) == 1


EXAMPLES = [
    ("无关图片", ()),
    ("BBU设备×1", ()),
    ("BBU设备/品牌:华为/型号:5900×1，光模块×3，线缆/捆扎整齐,有保护×2", ()),
    ("BBU设备×1，备注: 左侧螺丝被遮挡，需要复查", ()),
    ("BBU设备/型号:5900(改)×1", ()),
    ("标签/文字:1,2×1", ()),
    ("", ("empty",)),
    (" \n\t", ("empty",)),
    ("BBU设备", ("no_count",)),
    ("BBU设备×1，", ("no_count",)),
    ("，BBU设备×1", ("no_count",)),
    ("BBU设备×1,光模块×2", ("bad_count",)),
    ("BBU设备×0", ("bad_count",)),
    ("BBU设备×01", ("bad_count",)),
    ("BBU设备×-1", ("bad_count",)),
    ("BBU设备×1.5", ("bad_count",)),
    ("BBU设备×", ("bad_count",)),
    ("BBU设备×１", ("bad_count",)),
    ("BBU设备×三", ("bad_count",)),
    ("BBU设备x3", ("bad_count",)),
    ("BBU设备*3", ("bad_count",)),
    ("BBU设备×1000000000", ("bad_count",)),
    ("×3", ("bad_count",)),
    ("BBU设备×1×2", ("bad_count",)),
    ("BBU设备 ×1", ("space",)),
    ("BBU 设备×1", ("space",)),
    ("BBU设备×1， 光模块×2", ("space",)),
    (" BBU设备×1", ("space",)),
    ("BBU设备/×1", ("empty_level",)),
    ("/BBU设备×1", ("empty_level",)),
    ("BBU设备//型号×1", ("empty_level",)),
    ("BBU设备/品牌,,型号×1", ("empty_level",)),
    ("BBU设备×1，光模块×1，BBU设备×2", ("duplicate_entry",)),
    ("无关图片，BBU设备×1", ("irrelevant_with_entries",)),
    ("BBU设备×1，无关图片", ("irrelevant_with_entries",)),
    ("无关图片，备注: 图纸", ("irrelevant_with_entries",)),
    ("备注: 看不清", ("remark_alone",)),
    ("BBU设备×1，备注: ", ("space", "empty_remark")),
    ("BBU设备×1，备注：看不清", ("bad_remark",)),
    ("BBU设备×1，备注:看不清", ("bad_remark",)),
    ("BBU设备×1，备注:  看不清", ("space",)),
    ("BBU设备×1，备注: 看不清。", ("final_period",)),
    ("无关图片。", ("final_period", "no_count")),
    ("BBU设备[12,30]×1", ("coordinates",)),
    ("BBU设备[12, 30]×1", ("coordinates", "space")),
    ("BBU设备（12，30）×1", ("coordinates", "no_count")),
    ("BBU设备×1，备注: 位于[1 2 3.5]", ("coordinates",)),
    ("BBU设备<|im_end|>×1", ("special_token",)),
    ("BBU设备/长度:16mm²,端口:①（左）;有×1", ()),
    ("接地线/直径:Φ16,温度:40℃×1，备注: 品牌：华为／型号：５９００", ()),
    ("BBU设备\ufffd×1", ("replacement_character",)),
    ("BBU设备×1，备注: 看不\ufffd清", ("replacement_character",)),
    ("BBU设备\ue000×1", ("unassigned_character",)),
    ("BBU设备\uffff×1", ("unassigned_character",)),
    ("BBU设备\u0378×1", ("unassigned_character",)),
    ("\U0002ebf0\U000323af设备×1", ()),  # Han of Unicode 15, which Python 3.11 does not know
    ("BBU设备×1，备注: 看\u3000清", ("space",)),
    ("BBU设备×1，备注: 看\xa0清", ("space",)),
    ("BBU设备×1，备注: 看\t清", ("control_character",)),
    ("BBU设备／品牌:华为×1", ("variant_sign",)),
    ("BBU设备/品牌：华为×1", ("variant_sign",)),
    ("BBU设备/型号:５９００×1", ("variant_sign",)),
    ("ＢＢＵ设备×1", ("variant_sign",)),
    ("BBU设备✕2×1", ("variant_sign",)),
    ("BBU设备＊3", ("bad_count",)),
    ("BBU设备ｘ3", ("bad_count",)),
    ("BBU设备✖两百", ("bad_count",)),
    ("BBU设备/型号:a1×1，bbu设备/型号:A1×2", ("duplicate_entry",)),
    ("BBU设备/型号:А1×1，BBU设备/型号:A1×2", ("duplicate_entry",)),  # Cyrillic
    ("标签(改)×1，标签（改）×2", ("duplicate_entry",)),
    ("端口1-2×1，端口1–2×2", ("duplicate_entry",)),
    ("线缆/黑色,有保护×1，线缆/有保护,黑色×2", ()),
    ("<think></think>×1", ("special_token",)),
]


@pytest.mark.parametrize(("text", "violations"), EXAMPLES)
def test_an_example_breaks_exactly_these_rules(text: str, violations: tuple[str, ...]) -> None:
    reading = read(text)
    assert tuple(violation.value for violation in reading.violations) == violations
    assert (reading.summary is not None) is (violations == ())


def breaks(text: str, violation: Violation) -> None:
    """The text is no summary, for this reason among others."""
    reading = read(text)
    assert reading.summary is None, text
    assert violation in reading.violations, (text, reading.violations)


@examples()
@given(plain, st.integers(0), st.sampled_from(["<|im_end|>", "<|vision_start|>", "<|a b|>", "</think>", "<box>"]))
def test_a_special_token_anywhere_is_named(summary: Summary, place: int, token: str) -> None:
    text = str(summary)
    place %= len(text) + 1
    breaks(text[:place] + token + text[place:], Violation.SPECIAL_TOKEN)


@examples()
@given(plain, st.integers(0), st.sampled_from(LINE_ENDS))
def test_a_line_end_anywhere_is_named(summary: Summary, place: int, end: str) -> None:
    text = str(summary)
    place %= len(text) + 1
    breaks(text[:place] + end + text[place:], Violation.MULTIPLE_LINES)


@examples()
@given(
    plain, st.integers(0), st.sampled_from(["[12,30]", "(0, 999)", "（1，2，3）", "[ 1 2 ]", "【1、2】", "[-1.5;2]"])
)
def test_numbers_in_brackets_anywhere_are_named(summary: Summary, place: int, numbers: str) -> None:
    text = str(summary)
    place %= len(text) + 1
    breaks(text[:place] + numbers + text[place:], Violation.COORDINATES)


@examples()
@given(plain, st.sampled_from(['{"a": 1}', "{", "[", "```json", ' {"']))
def test_json_is_named(summary: Summary, start: str) -> None:
    breaks(start + str(summary), Violation.JSON)


@examples()
@given(summaries)
def test_a_final_period_is_named(summary: Summary) -> None:
    breaks(f"{summary}。", Violation.FINAL_PERIOD)


@examples()
@given(summaries, st.sampled_from([" ", "\u3000", "\t", "\xa0"]), st.booleans())
def test_white_space_around_is_named(summary: Summary, space: str, before: bool) -> None:
    breaks(f"{space}{summary}" if before else f"{summary}{space}", Violation.SPACE)


@examples()
@given(plain, st.integers(0), st.sampled_from([" ", "\u3000", "\t", "\xa0"]))
def test_white_space_in_a_description_is_named(summary: Summary, index: int, space: str) -> None:
    chosen = summary.entries[index % len(summary.entries)]
    text = str(summary).replace(str(Summary((chosen,))), f"{chosen.description[:1]}{space}{chosen.description[1:]}×1")
    breaks(text, Violation.SPACE)


@examples()
@given(plain, st.sampled_from(["×0", "×", "× 1", "x1", "×１", "×一", "×-1", "×1台"]))
def test_a_bad_count_is_named(summary: Summary, count: str) -> None:
    breaks(f"{summary}，机柜门{count}", Violation.BAD_COUNT)


@examples()
@given(plain)
def test_a_missing_count_is_named(summary: Summary) -> None:
    breaks(f"{summary}，机柜门", Violation.NO_COUNT)


@examples()
@given(plain, st.sampled_from(["/", "a//b", "a/", "/a", "a,,b", ",a", "a/b,"]))
def test_an_empty_level_is_named(summary: Summary, description: str) -> None:
    breaks(f"{summary}，{description}×1", Violation.EMPTY_LEVEL)


@examples()
@given(plain, st.integers(0), st.integers(1, 9))
def test_the_same_description_twice_is_named(summary: Summary, index: int, count: int) -> None:
    twice = summary.entries[index % len(summary.entries)].description
    breaks(f"{summary}，{twice}×{count}", Violation.DUPLICATE_ENTRY)


@examples()
@given(plain, st.booleans())
def test_irrelevant_and_something_else_is_named(summary: Summary, first: bool) -> None:
    text = f"{IRRELEVANT}，{summary}" if first else f"{summary}，{IRRELEVANT}"
    breaks(text, Violation.IRRELEVANT_WITH_ENTRIES)


@examples()
@given(plain, st.sampled_from([" ", "  ", "\u3000"]))
def test_remarks_that_say_nothing_or_start_otherwise_are_named(summary: Summary, space: str) -> None:
    breaks(f"{summary}，备注: {space}", Violation.EMPTY_REMARK)
    breaks(f"{summary}，备注：看不清", Violation.BAD_REMARK)
    breaks(f"{summary}，备注", Violation.BAD_REMARK)
    breaks("备注: 看不清", Violation.REMARK_ALONE)


@examples()
@given(summaries)
def test_a_text_that_the_token_limit_cut_is_never_a_summary(summary: Summary) -> None:
    reading = read(str(summary), cut_off=True)
    assert (reading.summary, reading.violations) == (None, (Violation.CUT_OFF,))


def test_levels_are_the_path_split() -> None:
    entry = Entry("BBU设备/品牌:华为,型号:5900/未安装", 1)
    assert entry.levels == (("BBU设备",), ("品牌:华为", "型号:5900"), ("未安装",))


@pytest.mark.parametrize(
    "text",
    [
        "[1" + " " * 40_000,
        "[1," * 40_000,
        "[" + "1" * 40_000,
        "<|" * 40_000,
        "x1" * 40_000,
        "×" * 40_000,
        "，" * 40_000,
    ],
    ids=["spaces", "brackets", "digits", "tokens", "counts", "signs", "commas"],
)
def test_a_hostile_text_is_read_in_linear_time(text: str) -> None:
    with no_hang():
        assert read(text).summary is None


FORMAT = (
    "\xad\u061c\u115f\u180e\u200b\u200d\u200f\u202e\u2060\u2066\u2069\u2800\u3164\ufe0f\ufeff\uffa0\ufff9"
    "\U000e0041\U000e0100"
)


@examples()
@given(summaries, st.integers(0), st.sampled_from(FORMAT))
def test_what_nobody_sees_is_named_anywhere(summary: Summary, place: int, char: str) -> None:
    text = str(summary)
    place %= len(text) + 1
    breaks(text[:place] + char + text[place:], Violation.FORMAT_CHARACTER)


@examples()
@given(st.text(st.characters(), max_size=20))
def test_what_a_summary_holds_can_be_seen_and_named(text: str) -> None:
    if read(f"A{text}×1").summary is not None:
        assert text.isprintable() or any(0x2_0000 <= ord(char) <= 0x3_FFFF for char in text)
        assert normalize("NFKC", text) == text or not set(text) & set("／：，５Ｂ\u3000")


SEEN_ALIKE = [str.casefold, str.upper, lambda text: normalize("NFKD", text), lambda text: text.replace("-", "—")]


@examples()
@given(plain, st.integers(0), st.sampled_from(SEEN_ALIKE))
def test_two_descriptions_that_look_alike_are_named(summary: Summary, index: int, change: Callable[[str], str]) -> None:
    alike = change(summary.entries[index % len(summary.entries)].description)
    breaks(f"{summary}，{alike}×2", Violation.DUPLICATE_ENTRY)


like = st.text("AaАаΑα-—–Ⅷ①1²ｱア（(é", min_size=1, max_size=4)


@examples(200)
@given(
    st.text("AaАаΑα-—–Ⅷ①1²ｱア（(é／", min_size=1, max_size=4), st.text("AaАаΑα-—–Ⅷ①1²ｱア（(é", min_size=1, max_size=4)
)
def test_looking_alike_works_both_ways_and_costs_nothing_else(one: str, other: str) -> None:
    there, back = (
        Violation.DUPLICATE_ENTRY in read(f"{a}×1，{b}×1").violations for a, b in ((one, other), (other, one))
    )
    assert there is back
    assert there or one != other


@pytest.mark.parametrize("char", ["\x00", "\x1b", "\x7f", "\ud800"])
def test_a_control_character_or_a_lone_surrogate_is_named(char: str) -> None:
    assert read(f"BBU{char}设备×1").violations == (Violation.CONTROL_CHARACTER,)
