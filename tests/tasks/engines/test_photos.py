"""How a photo is shown: as the checkpoint's processor would, and so that no other processor changes it again."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

from configs.parts import InputConfig, ModelConfig
from tasks.engines.loading import load_processor
from tasks.engines.photos import Bounds, Patchifier, Room, Scaler
from tasks.images.open import decode
from tasks.records.errors import EngineError
from tests.demo import Demo
from tests.tasks.engines.asking import mixed, photo_files

CELL = 32
QWEN = Bounds()


@pytest.fixture(scope="module")
def processor(demo: Demo) -> Any:
    return load_processor(demo.checkpoint).image_processor


def picture(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((width, height), 80).convert("RGB").save(out, "PNG")
    return out.getvalue()


def test_every_way_to_show_a_photo_gives_the_same_pixels(demo: Demo, processor: Any) -> None:
    """Our patches, and the processor's of our picture, of its PNG, of what ms-swift makes of it, and of the photo."""
    from qwen_vl_utils import fetch_image

    scaler, patchifier = Scaler(Bounds.of(processor), ModelConfig(), InputConfig()), Patchifier(processor)
    for name, data in mixed(demo).items():
        shown = scaler.show(data)
        patches, grid = patchifier.patches(shown.picture)
        from_wire = Image.open(io.BytesIO(shown.png()))
        assert not from_wire.info
        pictures = [shown.image(), from_wire, fetch_image({"image": shown.image()}, image_patch_size=16)]
        if name != "elongated":  # scaled once more than the processor scales it: see _fit
            pictures.append(decode(data, InputConfig()))
        for image in pictures:
            found = processor(images=[image], return_tensors="pt")
            assert torch.equal(found["pixel_values"], patches), name
            assert found["image_grid_thw"].tolist() == [list(grid)]
        assert shown.visual_tokens == shown.shown_width * shown.shown_height // CELL**2


def test_the_published_bounds_are_a_processors(processor: Any) -> None:
    assert Bounds.of(processor).cell == QWEN.cell
    assert (QWEN.shortest, QWEN.longest) == (65_536, 16_777_216)


def test_visual_tokens_are_known_from_the_size_alone(demo: Demo, processor: Any) -> None:
    scaler = Scaler(Bounds.of(processor), ModelConfig(), InputConfig())
    for path in photo_files(demo, 30):
        shown = scaler.show(path.read_bytes())
        assert scaler.visual_tokens(shown.width, shown.height) == shown.visual_tokens
        assert shown.visual_tokens <= scaler.most_visual_tokens


SIDES = st.integers(16, 6000)


@settings(deadline=None)
@given(
    SIDES,
    SIDES,
    st.sampled_from([4096, 65_536]),
    st.sampled_from([65_536, 1_003_520, 16_777_216]),
    st.integers(1024, 2_000_000),
    st.none() | st.integers(4, 2000),
)
def test_sizes_stay_in_bounds_and_no_processor_changes_them(
    width: int, height: int, shortest: int, longest: int, max_pixels: int, most: int | None
) -> None:
    if max(width, height) > 100 * min(width, height):
        return
    scaler = Scaler(Bounds(shortest, longest), ModelConfig(max_pixels=max_pixels), InputConfig())
    room = None if most is None else Room(most + 10, 6, 4)
    tokens = scaler.visual_tokens(width, height, room)
    bound = min(longest, max_pixels)
    assert tokens * CELL**2 <= bound
    assert most is None or tokens <= most
    columns, rows = scaler._fit(width, height, most)
    assert (columns // CELL) * (rows // CELL) == tokens
    if columns * rows >= shortest:
        assert smart_resize(rows, columns, CELL, shortest, longest) == (rows, columns)


def test_what_scaled_a_photo_is_named() -> None:
    limits = InputConfig()
    data = picture(640, 480)
    whole = Scaler(Bounds(), ModelConfig(), limits).show(data)
    assert (whole.shown_width, whole.shown_height, whole.scaled_by) == (640, 480, None)
    small = Scaler(Bounds(), ModelConfig(max_pixels=100_000), limits).show(data)
    assert small.scaled_by == "max_pixels"
    assert small.shown_width * small.shown_height <= 100_000
    squeezed = Scaler(Bounds(), ModelConfig(), limits).show(data, Room(most=1000, prompt=700, answer=200))
    assert squeezed.scaled_by == "max_model_len"
    assert 64 <= squeezed.visual_tokens <= 100
    assert (squeezed.width, squeezed.height) == (640, 480)
    # What fits is shown as it would be without a limit.
    assert Scaler(Bounds(), ModelConfig(), limits).show(data, Room(2000, 700, 200)).scaled_by is None


def test_a_prompt_that_leaves_no_room_is_refused_with_its_numbers() -> None:
    scaler = Scaler(Bounds(), ModelConfig(), InputConfig())
    with pytest.raises(
        EngineError, match=r"64 visual tokens .* are 964, more than 950; lower .*raise model\.max_model"
    ):
        scaler.show(picture(640, 480), Room(most=950, prompt=700, answer=200))
    # A photo that is small enough anyway is no exception: the bound is the same for all.
    tiny = Scaler(Bounds(shortest=1024), ModelConfig(), InputConfig())
    assert tiny.show(picture(64, 64), Room(most=904, prompt=700, answer=200)).visual_tokens == 4
    with pytest.raises(EngineError, match="4 visual tokens"):
        tiny.show(picture(640, 480), Room(most=903, prompt=700, answer=200))
