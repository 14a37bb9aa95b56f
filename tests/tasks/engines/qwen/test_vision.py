"""The vision tower over batches of bytes, held to the published forward pass, one picture at a time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from configs.parts import ModelConfig
from tasks.engines.loading import load_model
from tasks.engines.photos import Patches, patchify
from tasks.engines.qwen.vision import Normalisation, VisionTower
from tests.demo import Demo

SIDES = [(6, 9), (9, 6), (6, 9), (1, 1), (8, 8), (6, 9)]
"""Rows and columns of cells, in an order in which sizes are mixed."""


def pictures(processor: Any) -> list[torch.Tensor]:
    images = processor.image_processor
    cell = images.patch_size * images.merge_size
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randint(0, 256, (3, rows * cell, columns * cell), generator=generator, dtype=torch.uint8)
        for rows, columns in SIDES
    ]


def patched(processor: Any, some: list[torch.Tensor]) -> list[Patches]:
    images = processor.image_processor
    return [patchify(picture, images.patch_size, images.merge_size) for picture in some]


def published(visual: Any, processor: Any, picture: torch.Tensor) -> torch.Tensor:
    given = processor.image_processor(images=[picture], do_resize=False, return_tensors="pt")
    with torch.inference_mode():
        seen = visual(given["pixel_values"].to(visual.dtype), grid_thw=given["image_grid_thw"])
    return torch.stack([seen.pooler_output, *seen.deepstack_features])


def agree(visual: Any, processor: Any, tolerance: float) -> None:
    some = pictures(processor)
    with torch.inference_mode():
        found = VisionTower(visual, Normalisation.of(processor.image_processor))(patched(processor, some))
    for picture, features in zip(some, found, strict=True):
        want = published(visual, processor, picture)
        assert features.shape == want.shape
        assert float((features - want).norm() / want.norm()) < tolerance


def test_features_are_those_of_the_published_forward_pass(model: Any, processor: Any) -> None:
    agree(model.model.visual, processor, 1e-5)


def test_the_eager_kernel_gives_the_same(demo: Demo, processor: Any) -> None:
    eager = load_model(demo.checkpoint, (), ModelConfig(attention="eager"), torch.device("cpu"))
    agree(eager.model.visual, processor, 1e-5)


def test_bytes_lose_no_more_in_16_bits_than_normalised_values_do(demo: Demo, model: Any, processor: Any) -> None:
    half = load_model(demo.checkpoint, (), ModelConfig(dtype="bfloat16"), torch.device("cpu")).model.visual
    some = pictures(processor)
    with torch.inference_mode():
        found = VisionTower(half, Normalisation.of(processor.image_processor))(patched(processor, some))
    ours = theirs = 0.0
    for picture, features in zip(some, found, strict=True):
        exact = published(model.model.visual, processor, picture)
        ours += float((features - exact).norm() / exact.norm())
        theirs += float((published(half, processor, picture) - exact).norm() / exact.norm())
    assert ours < 1.2 * theirs


def test_an_adapter_on_the_patch_embedding_is_not_forgotten(demo: Demo, processor: Any) -> None:
    loaded = load_model(demo.checkpoint, (), ModelConfig(), torch.device("cpu"))
    before = published(loaded.model.visual, processor, pictures(processor)[0])
    torch.manual_seed(0)
    lora = LoraConfig(r=2, lora_alpha=4, target_modules=r".*visual\.(patch_embed\.proj|.*qkv)", init_lora_weights=False)
    visual = get_peft_model(loaded, lora).eval().get_base_model().model.visual
    after = published(visual, processor, pictures(processor)[0])
    assert float((after - before).norm() / before.norm()) > 1e-2
    agree(visual, processor, 1e-5)


@pytest.mark.parametrize("sizes", [40])
def test_position_embeddings_of_many_sizes_are_not_all_kept(model: Any, processor: Any, sizes: int) -> None:
    images = processor.image_processor
    tower = VisionTower(model.model.visual, Normalisation.of(images))
    with torch.inference_mode():
        for columns in range(1, sizes + 1):
            side = images.patch_size * images.merge_size
            tower(
                [
                    patchify(
                        torch.zeros(3, side, columns * side, dtype=torch.uint8), images.patch_size, images.merge_size
                    )
                ]
            )
    assert tower._place.cache_info().currsize < sizes
