"""Tests of summaries as a kind of question: what identifies a text."""

from __future__ import annotations

from typing import Any

import pytest

from configs.missions import known_missions
from configs.parts import GenerationConfig, LadderConfig
from configs.stage_a import StageAConfig
from tasks.records import grammar
from tasks.summaries.kind import identity
from tasks.summaries.prompts import summary_prompt
from tests.builders import (
    sha,
)

BASE = StageAConfig()

SAME_TEXT: list[dict[str, Any]] = [
    {"device": "cpu"},
    {"device": "cuda:1"},
    {"engine": {"batch_size": 1}},
    {"engine": {"batch_tokens": 1024}},
    {"engine": {"prefetch": 9}},
    {"engine": {"prepare_workers": 9}},
    {"shard_photos": 1},
    {"shard_seconds": 1},
    {"slots": ["gpu-0"]},
    {"spread": {"over": "ray"}},
    {"store": "elsewhere"},
    {"input_root": "elsewhere"},
    {"model": {"base": "a copy elsewhere"}},
    {"model": {"adapters": ["a copy elsewhere"]}},
    {"model": {"attention": "eager"}},
    {"merge": {"root": "elsewhere"}},
    {"engine": {"endpoint": {"url": "http://elsewhere/v1"}}},
    {"inputs": {"markers": "required"}},
    {"verify_inputs": False},
    {"hand_off": {"mode": "none"}},
    {"s3": {"region": "cn-north-1"}},
    {"answer_key": "key.json"},
    {"force": True},
    {"publishing": {"partial_groups": "publish"}},
]
OTHER_TEXT: list[dict[str, Any]] = [
    {"model": {"max_pixels": 4096}},
    {"model": {"min_pixels": 4096}},
    {"model": {"max_model_len": 4096}},
    {"generation": {"max_new_tokens": 255}},
    {"generation": {"temperature": 0.1}},
    {"generation": {"top_p": 0.9}},
    {"generation": {"seed": 1}},
    {"ladder": {"temperatures": []}},
    {"ladder": {"temperatures": [0.4, 0.0, 0.8]}},
    {"model": {"quantisation": "int8"}},
    {"engine": {"kind": "swift"}},
    {"engine": {"kind": "swift", "backend": "vllm"}},
    {"ladder": {"top_p": 0.8}},
    {"ladder": {"max_new_tokens_factor": 2}},
]


def settings_of(config: StageAConfig) -> dict[str, Any]:
    """The settings that are in the identity of a configuration's texts."""
    return identity(config, summary_prompt(None), sha("checkpoint"), (), "float32").settings


def key_of(changes: dict[str, Any], dtype: str = "float32") -> str:
    """A photo's work key under a configuration."""
    config = StageAConfig.model_validate(changes)
    return identity(config, summary_prompt(None), sha("checkpoint"), (), dtype).work_key(sha("photo"))


@pytest.mark.parametrize("changes", SAME_TEXT, ids=str)
def test_what_cannot_change_a_text_does_not_change_its_key(changes: dict[str, Any]) -> None:
    assert settings_of(StageAConfig.model_validate(changes)) == settings_of(BASE)
    assert key_of(changes) == key_of({})


def test_what_can_change_a_text_changes_its_key_each_in_its_own_way() -> None:
    keys = [key_of(changes) for changes in OTHER_TEXT]
    assert len({key_of({}), key_of({}, dtype="bfloat16"), *keys}) == len(keys) + 2


def test_every_setting_of_decoding_and_of_the_ladder_is_in_the_key() -> None:
    told = settings_of(BASE)
    assert set(told["generation"]) == set(GenerationConfig.model_fields)
    assert set(told["ladder"]) == set(LadderConfig.model_fields)


def test_a_rule_of_the_grammar_that_changes_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_of({})
    monkeypatch.setattr("tasks.summaries.kind.GRAMMAR_VERSION", grammar.GRAMMAR_VERSION + 1)
    assert key_of({}) != before


def test_prompt_checkpoint_and_adapters_are_in_the_key() -> None:
    prompts = [summary_prompt(None), *(summary_prompt(mission) for mission in known_missions().values())]
    tuples = [(p, c, a) for p in prompts for c in ("one", "two") for a in ((), ("x",), ("x", "y"), ("y", "x"))]
    assert len({identity(BASE, p, c, a, "float32").work_key(sha("photo")) for p, c, a in tuples}) == len(tuples)


def test_a_temperature_written_as_a_whole_number_is_the_same_setting() -> None:
    assert key_of({"generation": {"temperature": 0}, "ladder": {"temperatures": [0, 0.4, 0.8]}}) == key_of({})


def test_a_stricter_grammar_changes_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_of({})
    monkeypatch.setattr("tasks.summaries.kind.GRAMMAR_REVISION", grammar.GRAMMAR_REVISION + 1)
    assert key_of({}) == before
    assert settings_of(BASE)["grammar"] == 1
