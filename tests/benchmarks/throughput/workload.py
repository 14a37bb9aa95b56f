"""The photos that every way reads: drawn scenes as JPEG files, in groups of 2 to 8 as crews upload them.

The input folder is that of an ordinary mission, so that the whole flow can read it too. Knows no model.
"""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from infra.demo.scenes import Split, sample, seed_of
from infra.demo.training.pictures import photo

MISSION = "挡风板安装检查"
SMALLEST, LARGEST = 2, 8
"""Photos in a group."""

_MANY = 200
"""Photos that are worth the start of more processes."""

_FIRST = 900_000_000
"""Where, among the scenes of the photos' split, those of the benchmark begin."""


@dataclass(frozen=True, slots=True)
class Item:
    """A photo: its file, its group, and its name within the group."""

    path: Path
    group: str
    name: str

    @property
    def key(self) -> str:
        """What its text is told by, the same in every way."""
        return f"{self.group}/{self.name}"


def make_input(root: Path, photos: int, sides: tuple[int, int] | None = None) -> list[list[Item]]:
    """Groups of photos under `root`, made unless they are there, whole.

    With `sides`, every photo is scaled to them, half of the groups turned on their side: all have equally many visual
    tokens. Without, they have the sizes that the scenes were drawn in.
    """
    note = root / "whole.json"
    wanted = {"photos": photos, "sides": sides and list(sides)}
    plan = _plan(photos)
    if not note.is_file() or json.loads(note.read_text(encoding="utf-8")) != wanted:
        shutil.rmtree(root, ignore_errors=True)
        for group in plan:
            (root / group[0].parent).mkdir(parents=True)
        files = [path for group in plan for path in group]
        turned = [number % 2 == 1 for number, group in enumerate(plan) for _ in group]
        draw, each = partial(_draw, root, sides), zip(range(photos), files, turned, strict=True)
        if photos < _MANY:
            for one in each:
                draw(*one)
        else:
            with get_context("spawn").Pool() as pool:
                pool.starmap(draw, each, chunksize=8)
        note.write_text(json.dumps(wanted), encoding="utf-8")
    return [[Item(root / path, group[0].parent.name, path.name) for path in group] for group in plan]


def _plan(photos: int) -> list[list[Path]]:
    """Paths under the input root, by group."""
    rng = random.Random("groups")
    groups: list[list[Path]] = []
    left = photos
    while left:
        size = min(left, rng.randint(SMALLEST, LARGEST))
        folder = Path(MISSION) / "审核通过" / f"QC-20260401-{len(groups) + 1:04d}"
        groups.append([folder / f"img{number}.jpg" for number in range(1, size + 1)])
        left -= size
    return groups


def _draw(root: Path, sides: tuple[int, int] | None, number: int, path: Path, turned: bool) -> None:
    image = photo(sample(seed_of(Split.PHOTOS, _FIRST + number)))
    if sides is not None:
        image = image.resize(sides[::-1] if turned else sides)
    image.save(root / path, "JPEG", quality=88)
