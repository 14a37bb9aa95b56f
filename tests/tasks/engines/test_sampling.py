"""Sampling by request."""

from __future__ import annotations

import torch

from tasks.engines.protocol import Decoding
from tasks.engines.sampling import RowSampling

IDS = torch.zeros((1, 1), dtype=torch.long)


def draw(rows: list[tuple[str, Decoding]], scores: torch.Tensor, steps: int) -> list[list[int]]:
    processor = RowSampling(rows)
    picked = [processor(IDS, scores).argmax(-1).tolist() for _ in range(steps)]
    return [list(column) for column in zip(*picked, strict=True)]


def test_a_row_at_temperature_zero_stays_greedy() -> None:
    scores = torch.tensor([[0.0, 3.0, 2.9], [0.0, 3.0, 2.9]])
    rows = [("a", Decoding(8)), ("b", Decoding(8, temperature=2.0, seed=1))]
    greedy, sampled = draw(rows, scores, 200)
    assert set(greedy) == {1}
    assert set(sampled) == {0, 1, 2}


def test_a_row_does_not_depend_on_its_neighbours_or_its_place() -> None:
    scores = torch.randn(1, 50, generator=torch.Generator().manual_seed(3)).repeat(3, 1)
    hot = Decoding(8, temperature=1.0, seed=7)
    alone = draw([("a", hot)], scores[:1], 40)[0]
    crowd = draw([("x", hot), ("a", hot), ("y", Decoding(8))], scores, 40)
    assert crowd[1] == alone
    assert crowd[0] != alone


def test_seed_and_id_change_the_draw_and_repeating_does_not() -> None:
    scores = torch.zeros(1, 50)
    hot = Decoding(8, temperature=1.0, seed=7)
    first = draw([("a", hot)], scores, 30)
    assert draw([("a", hot)], scores, 30) == first
    assert draw([("b", hot)], scores, 30) != first
    assert draw([("a", Decoding(8, temperature=1.0, seed=8))], scores, 30) != first


def test_frequencies_are_those_of_the_softmax() -> None:
    scores = torch.log(torch.tensor([[0.6, 0.3, 0.1]]))
    picked = draw([("a", Decoding(8, temperature=1.0))], scores, 20_000)[0]
    shares = [picked.count(token) / len(picked) for token in range(3)]
    # Three standard errors of a share at n = 20,000 are at most 0.0106.
    assert all(abs(share - want) < 0.0106 for share, want in zip(shares, (0.6, 0.3, 0.1), strict=True))


def test_the_nucleus_holds_the_smallest_set_that_reaches_top_p() -> None:
    scores = torch.log(torch.tensor([[0.6, 0.3, 0.1]]))
    picked = draw([("a", Decoding(8, temperature=1.0, top_p=0.6))], scores, 300)[0]
    assert set(picked) == {0}
    picked = draw([("a", Decoding(8, temperature=1.0, top_p=0.61))], scores, 300)[0]
    assert set(picked) == {0, 1}
