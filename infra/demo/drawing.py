"""Draws a Scene as a photo: rows of cabinet, the objects on them, then light, noise and burnt-in text.

Knows how things look, not what they are called in a summary. `infra.demo.parts` draws the single objects.
"""

from __future__ import annotations

import random
from functools import lru_cache

import numpy as np
from PIL import Image, ImageFilter

from infra.demo import parts
from infra.demo.backdrops import BACKDROPS
from infra.demo.parts import Pen, font
from infra.demo.scenes import BAFFLE, BAR, BBU, Scene

_CREWS = ("Wang Lei", "Li Na", "Zhang Wei", "Chen Jie", "Liu Yang")
_PLACES = ("Dongcheng", "Xinghua Rd", "Site 0417", "Gaoxin", "Hongqi")


def draw(scene: Scene) -> Image.Image:
    """The photo of a scene, RGB, `scene.size` pixels. The same scene always gives the same pixels."""
    rng = random.Random(f"draw {scene.seed}")
    pen = Pen(rng, scene.size)
    if scene.kind == "irrelevant":
        BACKDROPS[scene.rows[0]](pen)
    else:
        _cabinet(pen, scene)
        for thing in sorted(scene.things, key=lambda thing: thing.kind not in (BBU, BAFFLE, BAR)):
            parts.PARTS[thing.kind](pen, thing.box, thing.traits)
    _burn_in(pen)
    return _expose(pen.image, rng)


def _cabinet(pen: Pen, scene: Scene) -> None:
    """The cabinet behind the objects: a dark rack or a painted wall, row by row, between two posts."""
    width, height = scene.size
    shade = pen.rng.randint(52, 78) if scene.kind != "ground" else pen.rng.randint(168, 205)
    tint = pen.rng.randint(-4, 8)
    pen.rect((0, 0, width, height), (shade, shade, shade + tint))
    for row, what in enumerate(scene.rows):
        top, bottom = round(row * height / len(scene.rows)), round((row + 1) * height / len(scene.rows))
        if what == "blank":
            _blank_panel(pen, top, bottom, shade)
        elif what == "cable":
            pen.rect((6, top + 1, width - 6, bottom - 1), (shade - 14, shade - 14, shade - 10))
            pen.line([(6, bottom - 3), (width - 6, bottom - 3)], (shade + 22,) * 3, 3)
        elif what == "panel":
            pen.rect((6, top + 2, width - 6, bottom - 2), (shade + 26, shade + 30, shade + 34), (shade - 30,) * 3)
        elif what == "wires":
            # The wiring duct that the wires end in.
            pen.rect((6, bottom - 9, width - 6, bottom + 5), (shade - 34, shade - 34, shade - 28), (shade - 60,) * 3)
            for x in range(14, width - 10, 12):
                pen.line([(x, bottom - 6), (x, bottom + 5)], (shade - 52,) * 3, 4)
        elif what == "wall":
            pen.line([(0, bottom), (width, bottom)], (shade - 7,) * 3, 1)
    post = (shade + 30, shade + 30, shade + 32) if shade < 120 else (shade - 28, shade - 28, shade - 24)
    for x in (0, width - 6):
        pen.rect((x, 0, x + 6, height), post)
        for y in range(8, height, 18):
            pen.rect((x + 2, y, x + 4, y + 4), (25, 25, 25))


def _blank_panel(pen: Pen, top: int, bottom: int, shade: int) -> None:
    """A filler plate, with vents or without."""
    width, _ = pen.image.size
    grey = shade + pen.rng.randint(4, 14)
    pen.rect((6, top + 2, width - 6, bottom - 2), (grey, grey, grey + 2), (shade - 22,) * 3)
    if pen.rng.random() < 0.5:
        for y in range(top + 16, bottom - 12, 9):
            pen.line([(30, y), (width - 30, y)], (grey - 16,) * 3, 2)


def _burn_in(pen: Pen) -> None:
    """What the camera app writes into the picture: time, place, crew and a masked phone number."""
    if pen.rng.random() < 0.25:
        return
    rng, (width, height) = pen.rng, pen.image.size
    size = max(10, min(width, height) // 42)
    lines = [
        f"2026-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d} {rng.randint(7, 19):02d}:{rng.randint(0, 59):02d}",
        f"{rng.choice(_PLACES)}  {rng.choice(_CREWS)} 138****{rng.randint(0, 9999):04d}",
    ]
    ink = rng.choice(((250, 250, 250), (255, 214, 120)))
    x = 10 if rng.random() < 0.7 else width - 14 * size
    for i, text in enumerate(lines[: rng.randint(1, 2)]):
        y = height - 6 - (2 - i) * round(1.25 * size)
        pen.draw.text((x + 1, y + 1), text, fill=(20, 20, 20), font=font(size))
        pen.draw.text((x, y), text, fill=ink, font=font(size))


@lru_cache(maxsize=32)
def _light(size: tuple[int, int], corner: int) -> np.ndarray:
    """How much light falls on each pixel, float32 (height, width, 1): falling off away from one corner, 1.0 to 0.8."""
    width, height = size
    x, y = np.linspace(0, 1, width, dtype=np.float32), np.linspace(0, 1, height, dtype=np.float32)
    x, y = (1 - x if corner & 1 else x), (1 - y if corner & 2 else y)
    return (1.0 - 0.1 * (x[None, :] ** 2 + y[:, None] ** 2))[..., None]


@lru_cache(maxsize=1)
def _grain() -> np.ndarray:
    """One tile of sensor noise, float32 (1024, 1024, 1), standard deviation 1; photos cut it at random offsets."""
    return np.random.default_rng(20260101).standard_normal((1024, 1024, 1), dtype=np.float32)


def _expose(image: Image.Image, rng: random.Random) -> Image.Image:
    """A hand-held phone's exposure: softness, gain, colour cast, light fall-off and noise."""
    if rng.random() < 0.5:
        image = image.filter(rng.choice((ImageFilter.SMOOTH, ImageFilter.BoxBlur(rng.uniform(0.4, 1.0)))))
    width, height = image.size
    gain = rng.uniform(0.86, 1.12) * np.array([rng.uniform(0.97, 1.03), 1.0, rng.uniform(0.96, 1.04)], np.float32)
    x, y = rng.randint(0, 1024 - 801), rng.randint(0, 1024 - 801)
    pixels = np.asarray(image, np.float32) * (_light(image.size, rng.randint(0, 3)) * gain)
    pixels += rng.uniform(0.5, 4.0) * _grain()[y : y + height, x : x + width]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
