"""Questions that are asked several times are read once; answers that are given are scored. On the random model."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.prompting import PromptIds
from tasks.engines.protocol import Decoding, Request
from tasks.engines.qwen.generator import Generator
from tasks.engines.sequence import Sequence
from tests.builders import examples
from tests.tasks.engines.qwen.random_model import NORMALISATION, PROMPT, VOCABULARY, about_photo, photo, random_model
from tests.tasks.engines.qwen.sources import keeping

MOST = 30


@cache
def model() -> Any:
    return random_model()


def text(number: int) -> tuple[int, ...]:
    """Ids of a text of its own, of a length of its own."""
    return tuple((5 * place + number) % VOCABULARY for place in range(3 + 9 * number))


def candidate(ticket: int, sample: int, *, again: bool = False, **decoding: Any) -> Sequence:
    request = Request(f"{ticket}/{sample}", None, "", str(ticket), Decoding(MOST, **decoding))
    return Sequence(request, PromptIds(PROMPT.shared, text(ticket)), asked_again=again)


def generator() -> Generator:
    made = Generator(model(), NORMALISATION, frozenset())
    made.read = []  # type: ignore[attr-defined]
    prefill = made._prefill

    def counted(slots: Any, batch: list[Sequence]) -> torch.Tensor:
        made.read.extend(one.request.user for one in batch)  # type: ignore[attr-defined]
        return prefill(slots, batch)

    made._prefill = counted  # type: ignore[method-assign]
    return made


def alone(one: Sequence) -> list[int]:
    return Generator(model(), NORMALISATION, frozenset()).answer([one])[0].output


@given(
    samples=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    size=st.integers(1, 8),
    lag=st.integers(0, 1),
    temperature=st.sampled_from([0.0, 1.0]),
)
@examples(25)
def test_samples_of_one_question_are_read_once_whenever_they_enter(
    samples: list[int], size: int, lag: int, temperature: float
) -> None:
    made = generator()
    made.lag = lag
    asked = [
        candidate(ticket, sample, again=sample + 1 < count, temperature=temperature)
        for ticket, count in enumerate(samples)
        for sample in range(count)
    ]
    assert len(list(made.run(PROMPT.shared, keeping(size, asked)))) == len(asked)
    assert sorted(made.read) == [str(ticket) for ticket in range(len(samples))]  # type: ignore[attr-defined]
    for one in asked:
        ticket, sample = map(int, one.request.id.split("/"))
        assert one.output == alone(candidate(ticket, sample, temperature=temperature))
    assert not made._questions


def test_samples_differ_and_a_second_start_draws_the_same() -> None:
    first = [one.output for one in generator().answer([candidate(1, sample, temperature=1.0) for sample in range(5)])]
    assert len({tuple(output) for output in first}) == 5
    asked = [candidate(1, sample, temperature=1.0) for sample in range(5)]
    made = generator()
    made.answer(asked)
    for one in asked:
        one.restart()
    assert [one.output for one in made.answer(asked)] == first


def test_a_photo_that_is_asked_about_twice_is_seen_once() -> None:
    picture = photo(3, 2, 3)
    one, other = about_photo("a", picture, MOST), about_photo("b", picture, MOST)
    made = generator()
    made.answer([one, other])
    assert len(made.read) == 2  # type: ignore[attr-defined]  # two requests that read the photo themselves
    other.request = Request("b", one.request.read, "", "", Decoding(MOST))
    for again in (one, other):
        again.restart()
    made.read.clear()  # type: ignore[attr-defined]
    made.answer([one, other])
    assert len(made.read) == 1  # type: ignore[attr-defined]
    assert one.output == other.output == alone(about_photo("c", picture, MOST))


def want(ids: list[int], count: int) -> float:
    """The log-probability of the last tokens, by one forward pass of the published model."""
    with torch.inference_mode():
        logits = model()(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    return sum(float(logits[len(ids) - count - 1 + place, token]) for place, token in enumerate(ids[-count:]))


@given(
    st.integers(0, 4),
    st.lists(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=9), min_size=1, max_size=5),
)
@examples(25)
def test_scores_are_the_log_probabilities_of_one_forward_pass(ticket: int, answers: list[list[int]]) -> None:
    prompt = PromptIds(PROMPT.shared, text(ticket))
    scores = generator().score([(prompt, tuple(tokens)) for tokens in answers])
    for score, tokens in zip(scores, answers, strict=True):
        ids = [*PROMPT.shared, *text(ticket), *tokens]
        assert score == pytest.approx(want(ids, len(tokens)), abs=1e-5)  # norms are in float32


def test_a_score_is_the_same_number_whatever_was_asked_before_it() -> None:
    """To the last bit: on a CPU a row's sums depend on how many rows are read with it."""
    asked = [(PromptIds(PROMPT.shared, text(3)), (5, 7)), (PromptIds(PROMPT.shared, text(3)), (5, 8, 9))]
    alone, busy = generator(), generator()
    busy.answer([candidate(ticket, 0) for ticket in range(5)])
    busy.score([(PromptIds(PROMPT.shared, text(4)), (1, 2, 3, 4))] * 9)
    assert busy.score(asked) == alone.score(asked)


def test_an_answer_about_a_photo_is_scored_as_it_was_written() -> None:
    one = about_photo("a", photo(3, 2, 3), 4)
    made = generator()
    (written,) = made.answer([one])
    begun = tuple(written.output[:-1])
    scores = made.score([(one.prompt, (*begun, token)) for token in range(VOCABULARY)], one.patches)
    assert max(range(VOCABULARY), key=scores.__getitem__) == written.output[-1]
    (whole,) = made.score([(one.prompt, begun)], one.patches)
    assert float(torch.tensor(scores).logsumexp(0)) == pytest.approx(whole, abs=1e-4)
