"""Continuous batching as a whole in float32, held to transformers' own `generate`, one request at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from unittest.mock import patch

import torch
from hypothesis import example, given
from hypothesis import strategies as st
from transformers import GenerationConfig, Qwen2VLImageProcessor

from configs.parts import EngineConfig
from tasks.engines import continuous_batching
from tasks.engines.continuous_batching import ContinuousBatching, Source
from tasks.engines.prompting import PromptIds
from tasks.engines.protocol import Decoding, Request
from tasks.engines.qwen import generator as qwen_generator
from tasks.engines.qwen.generator import Generator
from tasks.engines.qwen.kv_slots import ROUND
from tasks.engines.reference import Inputs, write
from tasks.engines.sequence import Sequence
from tasks.records.errors import DeviceOutOfMemory
from tests.builders import examples
from tests.tasks.engines.qwen.random_model import (
    IMAGE,
    MERGE,
    NORMALISATION,
    PATCH,
    PROMPT,
    VOCABULARY,
    about_photo,
    photo,
    picture,
    random_model,
)

LONGEST = ROUND + 20
"""Tokens: answers begin in one block of a slot's memory and end in the next."""

SUBJECTS: tuple[tuple[int, int] | int, ...] = ((1, 1), (2, 3), (9, 12), (7, 15), 2, 30, 101, 117)
"""A photo's grid, or the length of a text without a photo."""

CLEAR = 1e-5
"""By how much a logit must be above the others for float32 to tell it, whatever else is in the batch."""


@cache
def _model() -> Any:
    model = random_model(dtype=torch.float32)
    model.generation_config = GenerationConfig(pad_token_id=0)  # no answer ends by itself
    return model


@cache
def _photo_reader(subject: int) -> Callable[[], bytes]:
    return lambda: b"%d" % subject


def _own(subject: int) -> tuple[int, ...]:
    """Ids of a text."""
    length = SUBJECTS[subject]
    assert isinstance(length, int)
    return tuple((7 * place + length) % (VOCABULARY - 1) for place in range(length))


def _request(request_id: str, subject: int, most: int) -> Request:
    read = _photo_reader(subject) if isinstance(SUBJECTS[subject], tuple) else None
    return Request(request_id, read, "", f"{subject}", Decoding(most))


def _sequence(request: Request) -> Sequence:
    subject = SUBJECTS[int(request.user)]
    if isinstance(subject, int):
        return Sequence(request, PromptIds(PROMPT.shared, _own(int(request.user))))
    made = about_photo(request.id, photo(0, *subject), request.decoding.max_new_tokens)
    made.request = request
    return made


def _inputs(subject: int) -> Inputs:
    """What transformers' own processor makes of the same."""
    grid = SUBJECTS[subject]
    if isinstance(grid, int):
        ids = torch.tensor([[*PROMPT.shared, *_own(subject)]])
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    half = [0.5] * 3
    images = Qwen2VLImageProcessor(
        patch_size=PATCH, merge_size=MERGE, temporal_patch_size=2, image_mean=half, image_std=half
    )
    ids = torch.tensor([[*PROMPT.shared, *[IMAGE] * (grid[0] * grid[1]), *PROMPT.own]])
    seen = images(images=[picture(0, *grid)], do_resize=False, return_tensors="pt")
    is_photo = (ids == IMAGE).long()
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "mm_token_type_ids": is_photo, **seen}


@cache
def _reference(subject: int) -> list[int]:
    """The answer that `generate` writes."""
    return write(_model(), _inputs(subject), _request("alone", subject, LONGEST))


def test_the_answers_are_told_by_a_clear_margin() -> None:
    """Else the tests below would hang on the last bit of a sum."""
    for subject in range(len(SUBJECTS)):
        inputs, answer = dict(_inputs(subject)), _reference(subject)
        assert len(set(answer)) > 5
        inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([answer])], 1)
        for name in inputs.keys() & {"attention_mask", "mm_token_type_ids"}:
            fill = torch.full((1, len(answer)), int(name == "attention_mask"))
            inputs[name] = torch.cat([inputs[name], fill], 1)
        with torch.inference_mode():
            logits = _model()(**inputs).logits[0, -len(answer) - 1 : -1]
        first, second = logits.topk(2).values.unbind(1)
        assert float((first - second).min()) > CLEAR, subject


def _cut(answer: list[int], most: int, ends: frozenset[int]) -> list[int]:
    at = next((place for place, token in enumerate(answer[:most]) if token in ends), most - 1)
    return answer[: at + 1]


@given(
    asked=st.lists(st.tuples(st.integers(0, len(SUBJECTS) - 1), st.integers(1, LONGEST)), min_size=1, max_size=16),
    ends=st.frozensets(st.integers(0, VOCABULARY - 1), max_size=5),
    size=st.integers(1, 8),
    tokens=st.sampled_from([256, 400, 2000]),
    holds=st.integers(1, 8),
    entering=st.sampled_from([0.0, 0.25, 1.0]),
    leaving=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    lag=st.integers(0, 2),
)
@example([(2, LONGEST), (2, 3), (7, LONGEST), (7, 9), (2, LONGEST)], frozenset(), 4, 2000, 8, 0.25, 0.25, 1)
@examples(40)
def test_each_text_is_that_of_generate_whoever_enters_ends_and_leaves(
    asked: list[tuple[int, int]],
    ends: frozenset[int],
    size: int,
    tokens: int,
    holds: int,
    entering: float,
    leaving: float,
    lag: int,
) -> None:
    """Also on a device that holds fewer rows than are let in, and has them begin anew."""
    generator = Generator(_model(), NORMALISATION, ends)
    generator.lag = lag

    def run(source: Source) -> Iterator[Sequence]:
        def enter(running: int) -> list[Sequence]:
            found = source(running)
            if running + len(found) > holds:
                raise DeviceOutOfMemory("too many rows")
            return found

        return generator.run(PROMPT.shared, enter)

    batching = ContinuousBatching(EngineConfig(batch_size=size, batch_tokens=tokens), _sequence)
    requests = [_request(f"{number}", subject, most) for number, (subject, most) in enumerate(asked)]
    with patch.object(continuous_batching, "ENTERING", entering), patch.object(qwen_generator, "LEAVING", leaving):
        finished = {one.request.id: one for one in batching.results(requests, run) if isinstance(one, Sequence)}
    assert finished.keys() == {request.id for request in requests}
    for number, (subject, most) in enumerate(asked):
        one = finished[f"{number}"]
        assert one.output == _cut(_reference(subject), most, ends)
        assert one.finish_reason == ("stop" if one.output[-1] in ends else "length")
