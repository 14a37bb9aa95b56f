"""Patches as bytes, held to what the published image processor makes of the same pictures."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.photos import patchify
from tests.builders import examples


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
@examples(25)
def test_patches_are_the_processors_in_its_order(processor: Any, rows: int, columns: int, seed: int) -> None:
    images = processor.image_processor
    side = images.patch_size * images.merge_size
    generator = torch.Generator().manual_seed(seed)
    picture = torch.randint(0, 256, (3, rows * side, columns * side), generator=generator, dtype=torch.uint8)
    want = images(images=[picture], do_resize=False, return_tensors="pt")
    found = patchify(picture, images.patch_size, images.merge_size)
    assert [1, *found.grid] == want["image_grid_thw"][0].tolist()
    # The processor's rows are [channels, two equal frames, patch * patch], normalised.
    frames = want["pixel_values"].reshape(len(found.pixels), 3, 2, -1)
    levels = frames.add(1).mul(127.5).round().to(torch.uint8)
    assert torch.equal(levels[:, :, 0].flatten(1), found.pixels)
    assert torch.equal(levels[:, :, 1].flatten(1), found.pixels)


@pytest.mark.parametrize("shape", [(3, 64, 33), (3, 65, 64)])
def test_a_picture_that_is_not_whole_cells_is_an_error(shape: tuple[int, int, int]) -> None:
    with pytest.raises(RuntimeError, match="shape"):
        patchify(torch.zeros(shape, dtype=torch.uint8), 16, 2)
