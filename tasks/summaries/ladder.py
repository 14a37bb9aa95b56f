"""The retry ladder: how a photo is asked again when its summary breaks the grammar."""

from __future__ import annotations

from configs.parts import GenerationConfig, LadderConfig
from tasks.engines.protocol import Decoding


def first_decoding(generation: GenerationConfig) -> Decoding:
    """How every photo is asked first."""
    return Decoding(
        max_new_tokens=generation.max_new_tokens,
        temperature=generation.temperature,
        top_p=generation.top_p,
        seed=generation.seed,
    )


def decodings(generation: GenerationConfig, ladder: LadderConfig) -> tuple[Decoding, ...]:
    """How a photo is asked, first and then again, one rung of the ladder after the other, until its summary is good.

    Each rung above temperature 0 samples with a seed of its own, so that a rerun climbs the same ladder.
    """
    longer = round(generation.max_new_tokens * ladder.max_new_tokens_factor)
    again = [
        Decoding(
            max_new_tokens=longer,
            temperature=temperature,
            top_p=ladder.top_p if temperature > 0 else 1.0,
            seed=generation.seed + index,
        )
        for index, temperature in enumerate(ladder.temperatures, start=1)
    ]
    return (first_decoding(generation), *again)
