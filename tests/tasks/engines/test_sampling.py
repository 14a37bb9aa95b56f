"""Sampling by request."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.protocol import Decoding
from tasks.engines.sampling import RowSampling, draw, noise_of

IDS = torch.zeros((1, 1), dtype=torch.long)


def drawn(rows: list[tuple[str, Decoding]], scores: torch.Tensor, steps: int) -> list[list[int]]:
    processor = RowSampling(rows)
    picked = [processor(IDS, scores).argmax(-1).tolist() for _ in range(steps)]
    return [list(column) for column in zip(*picked, strict=True)]


def test_a_row_at_temperature_zero_stays_greedy() -> None:
    scores = torch.tensor([[0.0, 3.0, 2.9], [0.0, 3.0, 2.9]])
    rows = [("a", Decoding(8)), ("b", Decoding(8, temperature=2.0, seed=1))]
    greedy, sampled = drawn(rows, scores, 200)
    assert set(greedy) == {1}
    assert set(sampled) == {0, 1, 2}


def test_a_row_does_not_depend_on_its_neighbours_or_its_place() -> None:
    scores = torch.randn(1, 50, generator=torch.Generator().manual_seed(3)).repeat(3, 1)
    hot = Decoding(8, temperature=1.0, seed=7)
    alone = drawn([("a", hot)], scores[:1], 40)[0]
    crowd = drawn([("x", hot), ("a", hot), ("y", Decoding(8))], scores, 40)
    assert crowd[1] == alone
    assert crowd[0] != alone


def test_seed_and_id_change_the_draw_and_repeating_does_not() -> None:
    scores = torch.zeros(1, 50)
    hot = Decoding(8, temperature=1.0, seed=7)
    first = drawn([("a", hot)], scores, 30)
    assert drawn([("a", hot)], scores, 30) == first
    assert drawn([("b", hot)], scores, 30) != first
    assert drawn([("a", Decoding(8, temperature=1.0, seed=8))], scores, 30) != first


def test_frequencies_are_those_of_the_softmax() -> None:
    scores = torch.log(torch.tensor([[0.6, 0.3, 0.1]]))
    picked = drawn([("a", Decoding(8, temperature=1.0))], scores, 20_000)[0]
    shares = [picked.count(token) / len(picked) for token in range(3)]
    # Three standard errors of a share at n = 20,000 are at most 0.0106.
    assert all(abs(share - want) < 0.0106 for share, want in zip(shares, (0.6, 0.3, 0.1), strict=True))


def test_the_nucleus_holds_the_smallest_set_that_reaches_top_p() -> None:
    scores = torch.log(torch.tensor([[0.6, 0.3, 0.1]]))
    picked = drawn([("a", Decoding(8, temperature=1.0, top_p=0.6))], scores, 300)[0]
    assert set(picked) == {0}
    picked = drawn([("a", Decoding(8, temperature=1.0, top_p=0.61))], scores, 300)[0]
    assert set(picked) == {0, 1}


@given(
    size=st.sampled_from([1, 3, 255, 256, 257, 5000]),
    spread=st.sampled_from([0.0, 0.01, 1.0, 8.0, 60.0]),
    top_p=st.sampled_from([1e-6, 0.05, 0.5, 0.95, 0.999999]),
    seed=st.integers(0, 2**31),
)
def test_a_sample_is_that_of_all_tokens_sorted(size: int, spread: float, top_p: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    # No two are the same: which of two equal tokens is kept, no rule says.
    logits = torch.randn(size, generator=generator) * spread + torch.randperm(size, generator=generator) * 1e-5
    decoding = Decoding(8, temperature=0.8, top_p=top_p, seed=seed)
    token = int(draw(logits, decoding, noise_of("a", decoding)))

    ordered, order = (logits.double() / 0.8).softmax(-1).sort(descending=True)
    before = ordered.cumsum(-1) - ordered
    uniform = torch.rand(size, generator=noise_of("a", decoding)).clamp_(min=torch.finfo(torch.float32).tiny)
    scores = logits.double() / 0.8 - (-uniform.double().log()).log()
    # What float32 cannot tell apart may be kept or not.
    may = {
        int(order[place])
        for sum_before in (top_p - 1e-5, top_p + 1e-5)
        for place in [int(scores[order].masked_fill((before >= sum_before) & (before > 0), -torch.inf).argmax())]
    }
    assert token in may


def test_tokens_that_may_not_be_chosen_are_not() -> None:
    scores = torch.full((400,), -torch.inf)
    scores[7], scores[390] = 1.0, 0.5
    hot = Decoding(8, temperature=2.0, top_p=0.99, seed=3)
    noise = noise_of("a", hot)
    assert {int(draw(scores, hot, noise)) for _ in range(60)} == {7, 390}
