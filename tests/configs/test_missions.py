"""Tests of missions: seven ship, one file each, and a bad file is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from configs.errors import ConfigError
from configs.missions import MISSIONS_DIR, known_missions, load_missions, nearest
from configs.stores import key_fault

GOOD = "name: 一号检查\nslug: one\nfocus: 螺丝\nrequires: [有螺丝]\n"


def test_the_seven_missions_of_the_field_ship() -> None:
    assert set(known_missions()) == {
        "BBU安装方式检查（正装）",
        "BBU接地线检查",
        "BBU线缆布放要求",
        "挡风板安装检查",
        "RRU安装检查",
        "RRU位置检查",
        "RRU线缆",
    }
    assert {mission.slug for mission in known_missions().values()} == {path.stem for path in MISSIONS_DIR.glob("*")}


def test_every_mission_can_name_a_folder() -> None:
    assert all(key_fault(name) is None for name in known_missions())


def test_adding_a_mission_is_adding_a_file(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(GOOD, encoding="utf-8")
    (mission,) = load_missions(tmp_path).values()
    assert (mission.name, mission.slug, mission.focus, mission.requires) == ("一号检查", "one", "螺丝", ("有螺丝",))
    with pytest.raises(ValidationError):
        mission.focus = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("name: [", "one.yaml, line 1: column 8: while parsing a flow node expected"),
        (b"slug: one\nname: \xff\n", "one.yaml, line 2: byte 0xff is not UTF-8"),
        (GOOD.replace("slug: one", "slug: &s one") + "focus2: *s\n", "the alias *s is not read"),
        (GOOD + "focus: 门\n", "the key 'focus' stands twice"),
        ("", "valid dictionary"),
        ("- a\n", "valid dictionary"),
        (GOOD.replace("name: 一号检查\n", ""), "one.yaml: name"),
        (GOOD.replace("focus: 螺丝\n", ""), "one.yaml: focus"),
        (GOOD.replace("[有螺丝]", "[]"), "one.yaml: requires"),
        (GOOD + "colour: red\n", "one.yaml: colour"),
        (GOOD.replace("一号检查", "一/二"), "one.yaml: name"),
        (GOOD.replace("一号检查", "一" * 61), "one.yaml: name"),
        (GOOD.replace("slug: one", "slug: One Two"), "one.yaml: slug"),
        (GOOD.replace("slug: one", "slug: two"), "name the file two.yaml"),
        (GOOD + "checks: 螺丝\n", "one.yaml: checks: Input should be a valid tuple (a check is a name and"),
        (GOOD + "checks: [{name: 一, every: 螺丝}]\n", "one.yaml: checks.0.every: Input should be a valid dictionary"),
        (GOOD + "checks: [{exists: 螺丝}]\n", "one.yaml: checks.0.name"),
        (GOOD + "checks: [{name: 一}]\n", "must have either exists or every: write one check for each"),
        (GOOD + "checks: [{name: 一, exists: 门, every: {门: 关}}]\n", "must have either exists or every"),
        (GOOD + "checks: [{name: 一, exists: 门}, {name: 一, exists: 窗}]\n", "give each a name of its own"),
        (GOOD + "checks: [{name: 一, exists: 门×2}]\n", "'门×2' is no description: write it as in a summary"),
        (GOOD + "checks: [{name: 一, exists: 门/}]\n", "'门/' is no description"),
        (GOOD + "checks: [{name: 一, exists: 门, when: {}}]\n", "one.yaml: checks.0.when.together: Field required"),
        (GOOD + "checks: [{name: 一, exists: 门, when: {together: {门: 0}}}]\n", "greater than or equal to 1"),
        (GOOD + "checks: [{name: 一, any: 门}]\n", "one.yaml: checks.0.any: Extra inputs are not permitted"),
    ],
)
def test_a_file_that_is_no_mission_is_named_with_what_is_wrong(tmp_path: Path, text: str | bytes, what: str) -> None:
    (tmp_path / "one.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load_missions(tmp_path)
    assert what in str(caught.value)
    assert str(tmp_path / "one.yaml") in str(caught.value)


def test_all_bad_files_are_named_and_a_name_given_twice(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "two.yaml").write_text(GOOD.replace("slug: one", "slug: two"), encoding="utf-8")
    (tmp_path / "three.yaml").write_text("name: x\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_missions(tmp_path)
    message = str(caught.value)
    assert "'一号检查' is defined twice" in message
    assert all(f"three.yaml: {key}" in message for key in ("slug", "focus", "requires"))


def test_the_nearest_mission_comes_first_and_each_once() -> None:
    missions = known_missions()
    assert nearest("RRU安装检", missions)[0] == "RRU安装检查"
    assert nearest("rru-cable", missions)[0] == "RRU线缆"
    assert nearest("", missions) == []
    for name in ("RRU", "BBU检查", "bbu-"):
        near = nearest(name, missions)
        assert len(near) == len(set(near)) <= 3
        assert set(near) <= set(missions)


def test_every_mission_has_checks_that_name_what_they_are_about() -> None:
    for mission in known_missions().values():
        assert mission.checks
        assert all(check.name for check in mission.checks)
        pointed = any("每个" in clause for clause in mission.requires)
        assert all(check.each_point for check in mission.checks) == pointed


def test_what_stage_a_is_told_does_not_know_the_checks() -> None:
    focus = {mission.slug: mission.focus for mission in known_missions().values()}
    assert focus == {
        "air-baffle": "BBU设备、两台BBU之间是否需要挡风板，以及挡风板是否按要求安装",
        "bbu-cabling": "BBU端和ODF端的光纤插头、光纤的保护和弯曲半径",
        "bbu-grounding": "机柜侧和接地排侧的接地螺丝是否符合要求，以及接地线的捆扎情况",
        "bbu-mounting": "BBU设备、固定BBU的安装螺丝，以及螺丝是否符合要求",
        "rru-cable": "尾纤和尾纤套管",
        "rru-mounting": "RRU设备和每个安装点的紧固件",
        "rru-position": "每个安装点的紧固件、接地线和能看清的标签",
    }
