"""Tests of comparing two models on probe photos, with the demo's own."""

from __future__ import annotations

from pathlib import Path

import torch

import tasks.checkpoints.parity as comparing
from configs.parts import ModelConfig
from tasks.checkpoints.parity import Comparison
from tasks.checkpoints.probes import probe_photos
from tests.demo import Demo


def compared(demo: Demo, scratch: Path, adapters: list[str]) -> tuple[Comparison, list[str]]:
    scratch.mkdir()
    probes = probe_photos(demo.photos, 9)
    comparison = Comparison(demo.checkpoint, ModelConfig(quantisation="int4"), "cpu", probes, scratch)
    lines: list[str] = []
    comparison.learn(demo.checkpoint, adapters, lines.append)
    return comparison, lines


def test_a_model_is_like_itself_to_the_last_bit(demo: Demo, tmp_path: Path) -> None:
    comparison, lines = compared(demo, tmp_path / "scratch", [])
    found = comparison.compare(demo.checkpoint, lines.append)
    assert (found.photos, found.same, found.share) == (9, 9, 1.0)
    assert (found.largest_logit_difference, found.first_difference) == (0.0, None)
    assert lines == [
        "parity: base and adapters answered 8 of 9 photos",
        "parity: base and adapters answered 9 of 9 photos",
        "parity: the merged checkpoint answered 8 of 9 photos",
        "parity: the merged checkpoint answered 9 of 9 photos",
    ]
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_base_without_its_adapter_is_not_like_it(demo: Demo, tmp_path: Path) -> None:
    comparison, lines = compared(demo, tmp_path / "scratch", [demo.adapter])
    kept = torch.load(tmp_path / "scratch" / "0.pt", weights_only=True)
    # The logits of an answer are those that chose it.
    chosen = {row.place: logits.argmax(-1).tolist() for row, logits in zip(comparison._batches[0], kept, strict=True)}
    assert chosen == {place: comparison._answers[place] for place in chosen}
    found = comparison.compare(demo.checkpoint, lines.append)
    assert found.same < found.photos
    assert found.share == found.same / 9
    assert found.largest_logit_difference > 0.1
    assert found.first_difference is not None
    assert " from character " in found.first_difference
    assert found.first_difference.endswith(" merged")


def test_texts_are_told_apart_where_they_differ() -> None:
    assert comparing._told("a.jpg", "无关图片", "无关") == "a.jpg from character 3 on: '图片' with adapters, '' merged"
    nan = torch.tensor([float("nan"), 1.0])
    assert comparing._furthest(nan, nan) == float("inf")
    assert comparing._furthest(torch.zeros(0, 4), torch.zeros(0, 4)) == 0.0
