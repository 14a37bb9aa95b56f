"""Tests of the words that ask for a summary."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from configs.missions import Mission, known_missions
from tasks.records.grammar import IRRELEVANT, read
from tasks.records.prompts import PROMPTS_DIR, Prompt
from tasks.summaries.prompts import summary_prompt


@pytest.mark.parametrize("mission", known_missions().values(), ids=lambda mission: mission.slug)
def test_a_mission_adds_its_name_and_focus(mission: Mission) -> None:
    prompt, plain = summary_prompt(mission), summary_prompt(None)
    assert prompt.system == plain.system
    assert prompt.user.startswith(plain.user)
    assert mission.name in prompt.user
    assert mission.focus in prompt.user
    assert not re.search(r"[{}]", prompt.user)


def test_no_mission_leaves_every_focus_out() -> None:
    prompt = summary_prompt(None)
    assert not any(mission.name in prompt.user + prompt.system for mission in known_missions().values())


def test_every_prompt_has_a_digest_of_its_own() -> None:
    prompts = [summary_prompt(None), *(summary_prompt(mission) for mission in known_missions().values())]
    assert len({prompt.digest for prompt in prompts}) == len(prompts)
    assert Prompt("ab", "c").digest != Prompt("a", "bc").digest


def test_names_with_braces_are_put_in_as_they_are(tmp_path: Path) -> None:
    for name in ("summary_system.md", "summary_user.md", "summary_focus.md"):
        (tmp_path / name).write_text((PROMPTS_DIR / name).read_text(encoding="utf-8"), encoding="utf-8")
    mission = Mission(name="{focus}", slug="x", focus="{mission} 100%", requires=("y",))
    user = summary_prompt(mission, tmp_path).user
    assert "{mission} 100%" in user


def test_white_space_at_the_ends_of_the_files_does_not_count(tmp_path: Path) -> None:
    for name in ("summary_system.md", "summary_user.md", "summary_focus.md"):
        (tmp_path / name).write_text("\n" + (PROMPTS_DIR / name).read_text(encoding="utf-8") + "\n\n", encoding="utf-8")
    assert summary_prompt(None, tmp_path).digest == summary_prompt(None).digest


def test_the_prompt_shows_summaries_that_the_grammar_takes() -> None:
    system = summary_prompt(None).system
    example = system.rpartition("示例：\n")[2]
    assert read(example).violations == ()
    assert IRRELEVANT in system
