"""What is in a drawn cabinet photo: a Scene sampled from a seed, every object with its place.

Knows no pixels (`infra.demo.drawing` draws) and no sentences (`infra.demo.wording` writes the summaries).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

Box = tuple[int, int, int, int]
Kind = Literal["rack", "ground", "fibre", "irrelevant"]

# What the demo's image processor does to a photo; see `grid_of`.
PIXELS_MIN, PIXELS_MAX, CELL = 64 * 64, 256 * 256, 32

PHOTO_SIZES: tuple[tuple[int, int], ...] = (
    (640, 480),
    (800, 600),
    (720, 450),
    (600, 600),
    (480, 640),
    (600, 800),
    (532, 728),
    (450, 720),
)

BBU, BAFFLE, SCREW, MODULE, FIBRE = "BBU设备", "挡风板", "安装螺丝", "光模块", "光纤"
BAR, GROUND_SCREW, WIRE, LABEL = "接地排", "接地螺丝", "接地线", "标签"
HUAWEI, ZTE, ERICSSON = "品牌:华为", "品牌:中兴", "品牌:爱立信"
CABINET_SIDE, BAR_SIDE = "位置:机柜侧", "位置:接地排侧"

# Every description there is, in the order in which a summary names them.
DESCRIPTIONS: tuple[str, ...] = (
    f"{BBU}/{HUAWEI}",
    f"{BBU}/{ZTE}",
    f"{BBU}/{ERICSSON}",
    f"{BAFFLE}/安装规范",
    f"{BAFFLE}/安装不规范",
    f"{SCREW}/符合要求",
    f"{SCREW}/不符合要求",
    MODULE,
    f"{FIBRE}/有保护",
    f"{FIBRE}/无保护",
    BAR,
    f"{GROUND_SCREW}/{CABINET_SIDE}/符合要求",
    f"{GROUND_SCREW}/{CABINET_SIDE}/不符合要求",
    f"{GROUND_SCREW}/{BAR_SIDE}/符合要求",
    f"{GROUND_SCREW}/{BAR_SIDE}/不符合要求",
    f"{WIRE}/捆扎整齐",
    f"{WIRE}/散乱",
    f"{LABEL}/颜色:黄色,可识别",
    f"{LABEL}/颜色:黄色,无法识别",
    f"{LABEL}/颜色:白色,可识别",
    f"{LABEL}/颜色:白色,无法识别",
)


# Between which shares of a row's height the upper edge of its small things lies. All of a row have the same one, below
# that of what carries them: so the order of a dense caption, by anchors, is row by row and from left to right.
TOPS: dict[str, tuple[float, float]] = {
    "bbu": (0.22, 0.3),
    "panel": (0.22, 0.3),
    "bar": (0.33, 0.36),
    "wall": (0.12, 0.26),
    "cable": (0.01, 0.03),
    "wires": (0.0, 0.01),
}
SWAY = 0.25  # how far a small thing is off the middle of its cell, in shares of the room beside it


class Split(IntEnum):
    """Who may use a seed. The ranges never meet, so no scene trains the model and then examines it."""

    TRAINING = 1
    REPORT = 2
    PHOTOS = 3
    TESTS = 4


def seed_of(split: Split, index: int) -> int:
    """The seed of the `index`-th scene of a split, 0 <= index < 10**9."""
    if not 0 <= index < 10**9:
        raise ValueError(f"scene index {index} is outside 0..999999999")
    return int(split) * 10**9 + index


@dataclass(frozen=True, slots=True)
class Thing:
    """One countable object: its kind and attributes, its box in pixels of the upright photo, and its cell."""

    kind: str
    traits: tuple[str, ...]
    box: Box
    cell: tuple[int, int]

    @property
    def description(self) -> str:
        """The path that a summary uses, `类型/属性[,属性]/[条件属性]`."""
        return "/".join((self.kind, *self.traits))


@dataclass(frozen=True, slots=True)
class Scene:
    """A photo before it is drawn. `rows` says what each row of cells shows, from the top; `size` is (width, height)."""

    seed: int
    kind: Kind
    size: tuple[int, int]
    grid: tuple[int, int]
    rows: tuple[str, ...]
    things: tuple[Thing, ...]

    def count(self, prefix: str) -> int:
        """How many objects have a description starting with `prefix`."""
        return sum(thing.description.startswith(prefix) for thing in self.things)


def grid_of(size: tuple[int, int]) -> tuple[int, int]:
    """Columns and rows of visual tokens for a photo of (width, height) px.

    The formula is Qwen2-VL's smart_resize with factor 32 and the pixel bounds above; a test holds it to the processor.
    """
    width, height = size
    rows, cols = round(height / CELL), round(width / CELL)
    if rows * cols * CELL * CELL > PIXELS_MAX:
        shrink = math.sqrt(width * height / PIXELS_MAX)
        rows, cols = (max(1, math.floor(side / shrink / CELL)) for side in (height, width))
    elif rows * cols * CELL * CELL < PIXELS_MIN:
        grow = math.sqrt(PIXELS_MIN / (width * height))
        rows, cols = (math.ceil(side * grow / CELL) for side in (height, width))
    return cols, rows


def sample(seed: int, size: tuple[int, int] | None = None) -> Scene:
    """The scene of a seed; `size` overrides the photo size that the seed would draw."""
    rng = random.Random(f"scene {seed}")
    drawn = rng.choice(PHOTO_SIZES)
    builder = _Builder(rng, size or drawn)
    kind: Kind = rng.choices(("rack", "ground", "fibre", "irrelevant"), (48, 34, 11, 7))[0]
    if kind == "irrelevant":
        rows: tuple[str, ...] = (rng.choice(("drawing", "paper", "tools", "landscape")),)
    else:
        rows = {"rack": builder.rack, "ground": builder.ground, "fibre": builder.fibre}[kind]()
        builder.populate(rows)
    things = tuple(sorted(builder.things, key=lambda thing: (thing.box[1], thing.box[0])))
    return Scene(seed, kind, builder.size, builder.grid, rows, things)


class _Builder:
    """Places objects on the grid of cells, so that each keeps to one cell of the picture that the model sees."""

    def __init__(self, rng: random.Random, size: tuple[int, int]) -> None:
        self.rng, self.size, self.grid = rng, size, grid_of(size)
        self.things: list[Thing] = []
        self.brands: list[str] = []
        self.rows: tuple[str, ...] = ()
        self.levels: dict[int, float] = {}

    def rack(self) -> tuple[str, ...]:
        """One or two BBUs, perhaps a baffle, cable trays and blank panels, top to bottom."""
        rng, (_, height) = self.rng, self.grid
        rows = ["bbu"]
        if rng.random() < 0.55:
            between = ["baffle"] * (rng.random() < 0.5) + ["cable"] * (rng.random() < 0.3)
            rng.shuffle(between)
            rows = ["bbu", *between, "bbu"]
        elif rng.random() < 0.15:
            rows.insert(rng.randint(0, 1), "baffle")
        first = rng.choice((HUAWEI, ZTE, ERICSSON))
        self.brands = [first, first if rng.random() < 0.8 else rng.choice((HUAWEI, ZTE, ERICSSON))]
        return self._fill(rows, height, "cable", rng.randint(1, 2))

    def ground(self) -> tuple[str, ...]:
        """A ground bar with its wires, the cabinet's wall around it, sometimes a BBU above."""
        rng, (_, height) = self.rng, self.grid
        rows = ["bar", "wires"]
        if rng.random() < 0.4:
            rows.insert(0, "bbu")
            self.brands = [rng.choice((HUAWEI, ZTE, ERICSSON))]
        return self._fill(rows, height, "wall", height, keep=("bar", "wires"))

    def fibre(self) -> tuple[str, ...]:
        """A distribution panel: module rows with trays of fibre."""
        rows = ["panel", "cable"] * self.rng.randint(1, 2)
        return self._fill(rows, self.grid[1], "cable", 1)

    def _fill(
        self, rows: list[str], height: int, filler: str, most: int, keep: tuple[str, str] | None = None
    ) -> tuple[str, ...]:
        """Insert `most` fillers, then blank panels, at random until `height` rows are there."""
        rows = list(rows)
        while len(rows) < height:
            row = filler if rows.count(filler) < most else "blank"
            spots = [i for i in range(len(rows) + 1) if not (keep and 0 < i < len(rows) and rows[i] == keep[1])]
            rows.insert(self.rng.choice(spots), row)
        return tuple(rows)

    def populate(self, rows: tuple[str, ...]) -> None:
        """Put the objects into the rows, from the top."""
        rng, (cols, _) = self.rng, self.grid
        self.rows = rows
        brands = iter(self.brands)
        ports: list[tuple[int, int]] = []
        trays: list[tuple[int, int]] = []
        walls: list[tuple[int, int]] = []
        for row, what in enumerate(rows):
            cells = [(col, row) for col in range(cols)]
            if what == "bbu":
                self._wide(BBU, (next(brands),), cells, pad=0.08, anchor=1)
                for end in (cells[0], cells[-1]):
                    if rng.random() < 0.85:
                        self._place(SCREW, self._state("符合要求", "不符合要求", 0.72), end, 0.4, 0.45)
                ports += cells[2:-1]
            elif what == "baffle":
                self._wide(BAFFLE, self._state("安装规范", "安装不规范", 0.68), cells, pad=0.14, anchor=0)
            elif what == "panel":
                ports += cells
            elif what == "cable":
                trays += cells
            elif what == "bar":
                self._wide(BAR, (), cells, pad=0.3, anchor=0)
                self._ground_bar(cells[1:])
            elif what == "wall":
                walls += cells
        self._scatter(ports, rng.randint(0, 5), lambda cell: self._place(MODULE, (), cell, 0.42, 0.5))
        free = trays + walls + [cell for cell in self._below_bar(rows) if rng.random() < 0.3]
        tidy = rng.choice((0.15, 0.5, 0.85))
        used = self._scatter(trays, rng.randint(0, 5), lambda cell: self._fibre(cell, tidy))
        used |= self._scatter(walls, rng.randint(0, 3), self._cabinet_screw)
        least = 0 if self.things else 1
        self._scatter([cell for cell in free if cell not in used], rng.randint(least, 3), self._label)

    def _below_bar(self, rows: tuple[str, ...]) -> list[tuple[int, int]]:
        """The cells beside the wires that hang from the bar."""
        taken = {thing.cell for thing in self.things}
        return [
            (col, r)
            for r, what in enumerate(rows)
            if what == "wires"
            for col in range(self.grid[0])
            if (col, r) not in taken
        ]

    def _ground_bar(self, cells: list[tuple[int, int]]) -> None:
        conform, tidy = self.rng.choice((0.3, 0.8, 0.95)), self.rng.choice((0.1, 0.5, 0.9))
        for col, row in self.rng.sample(cells, self.rng.randint(1, 4)):
            state = self._state("符合要求", "不符合要求", conform)
            self._place(GROUND_SCREW, (BAR_SIDE, *state), (col, row), 0.42, 0.42)
            if self.rng.random() < 0.8:
                self._place(WIRE, self._state("捆扎整齐", "散乱", tidy), (col, row + 1), 0.6, 0.98)

    def _fibre(self, cell: tuple[int, int], tidy: float) -> None:
        self._place(FIBRE, self._state("有保护", "无保护", tidy), cell, 0.45, 0.96)

    def _cabinet_screw(self, cell: tuple[int, int]) -> None:
        self._place(GROUND_SCREW, (CABINET_SIDE, *self._state("符合要求", "不符合要求", 0.65)), cell, 0.62, 0.62)

    def _label(self, cell: tuple[int, int]) -> None:
        colour = "黄色" if self.rng.random() < 0.8 else "白色"
        state = self._state("可识别", "无法识别", 0.68)[0]
        self._place(LABEL, (f"颜色:{colour},{state}",), cell, 0.72, 0.5)

    def _state(self, good: str, bad: str, chance: float) -> tuple[str]:
        return (good if self.rng.random() < chance else bad,)

    def _scatter(
        self, cells: list[tuple[int, int]], wanted: int, place: Callable[[tuple[int, int]], None]
    ) -> set[tuple[int, int]]:
        chosen = self.rng.sample(cells, min(wanted, len(cells)))
        for cell in chosen:
            place(cell)
        return set(chosen)

    def _wide(self, kind: str, traits: tuple[str, ...], cells: list[tuple[int, int]], pad: float, anchor: int) -> None:
        """An object that fills a row: its box spans the cells, its cell is the one that tells it apart."""
        left, top = self._corner(cells[0][0], cells[0][1])
        right, bottom = self._corner(cells[-1][0] + 1, cells[0][1] + 1)
        inset = round(pad * (bottom - top)) + self.rng.randint(0, 2)
        self.things.append(Thing(kind, traits, (left + 6, top + inset, right - 6, bottom - inset), cells[anchor]))

    def _place(self, kind: str, traits: tuple[str, ...], cell: tuple[int, int], wide: float, high: float) -> None:
        """An object within one cell; `wide` and `high` are its shares of the cell. Level with the others of its row."""
        left, top = self._corner(*cell)
        right, bottom = self._corner(cell[0] + 1, cell[1] + 1)
        width, height = round(wide * (right - left)), round(high * (bottom - top))
        slack = (right - left - width) // 2
        x = left + slack + round(self.rng.uniform(-SWAY, SWAY) * slack)
        level = self.levels.setdefault(cell[1], self.rng.uniform(*TOPS[self.rows[cell[1]]]))
        y = top + round(level * (bottom - top))
        self.things.append(Thing(kind, traits, (x, y, x + width, y + height), cell))

    def _corner(self, col: int, row: int) -> tuple[int, int]:
        (width, height), (cols, rows) = self.size, self.grid
        return round(col * width / cols), round(row * height / rows)
