"""Training pictures: scenes drawn, compressed as a phone would, and cut into patches by the real processor.

Knows no model and no text; what comes out is what the vision tower sees at inference, to the last bit.
"""

from __future__ import annotations

import io
import multiprocessing
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

from infra.demo.drawing import draw
from infra.demo.scenes import DESCRIPTIONS, Scene, sample
from infra.demo.training.model import PATCH, image_processor
from infra.demo.wording import norm1000, ordered

CLASSES = len(DESCRIPTIONS) + 1  # the last one: the picture is irrelevant


@dataclass(frozen=True, slots=True)
class Picture:
    """A scene and its pixels as patches, uint8 (4 * cells, 3 * 16 * 16), in the processor's order."""

    scene: Scene
    patches: NDArray[np.uint8]


def photo(scene: Scene) -> Image.Image:
    """The scene's photo as it comes back from a file: JPEG of some quality, now and then PNG."""
    rng = random.Random(f"file {scene.seed}")
    file = io.BytesIO()
    if rng.random() < 0.15:
        draw(scene).save(file, "PNG", compress_level=1)
    else:
        draw(scene).save(file, "JPEG", quality=rng.randint(68, 95))
    return Image.open(file).convert("RGB")


def take(seed: int) -> Picture:
    """The picture of one seed."""
    scene = sample(seed)
    values = _processor()(images=[photo(scene)], return_tensors="pt")["pixel_values"]
    # Resizing gives whole grey levels, of which the processor makes k / 127.5 - 1, twice: once for each frame.
    frames = values.reshape(len(values), 3, 2, PATCH * PATCH)
    levels = frames[:, :, 0].add(1).mul(127.5).round().to(torch.uint8)
    return Picture(scene, levels.reshape(len(values), -1).numpy())


def take_all(seeds: Iterable[int], processes: int) -> dict[tuple[int, int], list[Picture]]:
    """Pictures by grid (columns, rows), in the order of the seeds whatever the number of processes."""
    by_grid: dict[tuple[int, int], list[Picture]] = defaultdict(list)
    with multiprocessing.get_context("fork").Pool(processes, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for picture in pool.imap(take, seeds, chunksize=32):
            by_grid[picture.scene.grid].append(picture)
    return dict(sorted(by_grid.items()))


def pixel_values(pictures: list[Picture]) -> torch.Tensor:
    """What the processor gives for these pictures of one grid: float32 (patches of all, 3 * 2 * 16 * 16)."""
    levels = torch.from_numpy(np.concatenate([picture.patches for picture in pictures]))
    levels = levels.to(torch.get_default_device())
    frame = levels.float().div_(127.5).sub_(1).reshape(-1, 3, 1, PATCH * PATCH)
    return frame.expand(-1, -1, 2, -1).reshape(len(levels), -1)


def told(of: Callable[[Scene], NDArray[Any]], pictures: list[Picture]) -> torch.Tensor:
    """What one of the functions below tells of these pictures of one grid, (pictures, ...), on the default device."""
    return torch.from_numpy(np.stack([of(picture.scene) for picture in pictures])).to(torch.get_default_device())


def cell_labels(scene: Scene) -> NDArray[np.float32]:
    """What each visual token shows, 0/1 (cells, CLASSES), row by row; for the probe that teaches the vision tower."""
    cols, rows = scene.grid
    labels = np.zeros((rows * cols, CLASSES), np.float32)
    for thing in scene.things:
        col, row = thing.cell
        labels[row * cols + col, DESCRIPTIONS.index(thing.description)] = 1
    labels[:, -1] = scene.kind == "irrelevant"
    return labels


def ordinals(scene: Scene) -> NDArray[np.int64]:
    """Which of its like, in reading order, each cell's object is: 1, 2, … and 0 where there is none, (cells,)."""
    cols, rows = scene.grid
    counted = np.zeros(rows * cols, np.int64)
    seen: Counter[str] = Counter()
    for thing in sorted(scene.things, key=lambda thing: (thing.cell[1], thing.cell[0])):
        seen[thing.description] += 1
        counted[thing.cell[1] * cols + thing.cell[0]] = seen[thing.description]
    return counted


def places(scene: Scene) -> NDArray[np.float32]:
    """Each thing's box at its cell, as left, top, right, bottom from the cell's corner in cells, (cells, 4).

    NaN where there is no thing, and for the sides of things that always span the picture.
    """
    (width, height), (cols, rows) = scene.size, scene.grid
    boxes = np.full((rows * cols, 4), np.nan, np.float32)
    for thing in scene.things:
        col, row = thing.cell
        box = np.array(thing.box, np.float32) * np.tile(np.array([cols / width, rows / height], np.float32), 2)
        if box[2] - box[0] > 1:
            box[[0, 2]] = np.nan
        boxes[row * cols + col] = box - np.array([col, row, col, row], np.float32)
    return boxes


def turns(scene: Scene) -> NDArray[np.int64]:
    """Which object of the dense caption each cell shows, from 1, and 0 where there is none, (cells,)."""
    cols, rows = scene.grid
    turn = np.zeros(rows * cols, np.int64)
    for number, cell in enumerate(cells_in_order(scene), 1):
        turn[cell] = number
    return turn


def cells_in_order(scene: Scene) -> list[int]:
    """The cells of the dense caption's objects, in its order."""
    return [thing.cell[1] * scene.grid[0] + thing.cell[0] for thing in ordered(scene)]


def written(scene: Scene) -> NDArray[np.float32]:
    """What the caption writes for each cell's thing, norm1000, (cells, 4), NaN where there is none.

    The four numbers are x and y of the outline's first point and of the one opposite.
    """
    cols, rows = scene.grid
    numbers = np.full((rows * cols, 4), np.nan, np.float32)
    for thing, cell in zip(ordered(scene), cells_in_order(scene), strict=True):
        flat = norm1000(thing, scene.size)
        numbers[cell] = [*flat[:2], *(flat[4:6] if len(flat) == 8 else flat[2:])]
    return numbers


def totals(scene: Scene) -> NDArray[np.int64]:
    """How many objects of each description the picture shows, and whether it is irrelevant, (CLASSES,)."""
    counts = Counter(thing.description for thing in scene.things)
    return np.array([*(counts[description] for description in DESCRIPTIONS), scene.kind == "irrelevant"], np.int64)


@lru_cache(maxsize=1)
def _processor() -> Qwen2VLImageProcessor:
    return image_processor()
