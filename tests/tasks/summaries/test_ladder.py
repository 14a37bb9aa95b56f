"""Tests of the retry ladder."""

from __future__ import annotations

from configs.parts import GenerationConfig, LadderConfig
from tasks.engines.protocol import Decoding
from tasks.summaries.ladder import decodings


def test_every_photo_is_asked_first_as_the_configuration_says() -> None:
    generation = GenerationConfig(max_new_tokens=96, temperature=0.3, top_p=0.7, seed=11)
    first, *_ = decodings(generation, LadderConfig())
    assert first == Decoding(max_new_tokens=96, temperature=0.3, top_p=0.7, seed=11)


def test_each_rung_has_its_temperature_and_a_seed_of_its_own() -> None:
    ladder = LadderConfig(temperatures=(0.0, 0.4, 0.8), top_p=0.9)
    assert decodings(GenerationConfig(max_new_tokens=96, seed=7), ladder)[1:] == (
        Decoding(max_new_tokens=96, temperature=0.0, top_p=1.0, seed=8),
        Decoding(max_new_tokens=96, temperature=0.4, top_p=0.9, seed=9),
        Decoding(max_new_tokens=96, temperature=0.8, top_p=0.9, seed=10),
    )


def test_retries_can_be_given_more_tokens() -> None:
    ladder = decodings(GenerationConfig(max_new_tokens=100), LadderConfig(max_new_tokens_factor=1.5))
    assert [rung.max_new_tokens for rung in ladder] == [100, 150, 150, 150]


def test_without_a_ladder_there_is_one_rung() -> None:
    assert len(decodings(GenerationConfig(), LadderConfig(temperatures=()))) == 1
