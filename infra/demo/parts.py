"""How each countable object looks, drawn into its box. Knows no layout and no grid of visual tokens."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont

from infra.demo.scenes import BAFFLE, BAR, BBU, ERICSSON, FIBRE, GROUND_SCREW, HUAWEI, LABEL, MODULE, SCREW, WIRE, Box
from infra.demo.shapes import sheet

Colour = tuple[int, ...]
Point = tuple[float, float]
Traits = tuple[str, ...]


@lru_cache(maxsize=64)
def font(size: int) -> FreeTypeFont | ImageFont.ImageFont:
    """Pillow's built-in font, so that pictures do not depend on the machine's fonts."""
    return ImageFont.load_default(size)


class Pen:
    """A picture being drawn, with the random numbers that vary it. Boxes are (left, top, right, bottom) in px."""

    def __init__(self, rng: random.Random, size: tuple[int, int]) -> None:
        self.rng = rng
        self.image = Image.new("RGB", size)
        self.draw = ImageDraw.Draw(self.image)

    def rect(self, box: Sequence[float], fill: Colour | None, outline: Colour | None = None, width: int = 1) -> None:
        """A rectangle."""
        self.draw.rectangle(tuple(box), fill=fill, outline=outline, width=width)

    def ellipse(self, box: Sequence[float], fill: Colour | None, outline: Colour | None = None, width: int = 1) -> None:
        """An ellipse."""
        self.draw.ellipse(tuple(box), fill=fill, outline=outline, width=width)

    def line(self, points: Sequence[Point], fill: Colour, width: int) -> None:
        """A line with rounded joints."""
        self.draw.line(list(points), fill=fill, width=width, joint="curve")

    def polygon(self, points: Sequence[Point], fill: Colour, outline: Colour | None = None) -> None:
        """A filled polygon."""
        self.draw.polygon(list(points), fill=fill, outline=outline)

    def vary(self, colour: Colour, spread: int = 10) -> Colour:
        """The colour, a little lighter or darker."""
        shift = self.rng.randint(-spread, spread)
        return tuple(max(0, min(255, channel + shift)) for channel in colour)


def bbu(pen: Pen, box: Box, traits: Traits) -> None:
    """A baseband unit: a dark or silver box with a row of empty ports and the maker's badge at its left."""
    left, top, right, bottom = box
    body = pen.vary(pen.rng.choice(((58, 66, 84), (74, 76, 80), (96, 104, 112))), 6)
    pen.rect(box, body, (22, 24, 30), 2)
    pen.line([(left + 3, top + 3), (right - 3, top + 3)], tuple(c + 40 for c in body), 2)
    step = (right - left + 12) / round((right - left) / 72)
    for i in range(2, round((right - left) / step) - 1):
        x = left + i * step
        pen.rect((x + 0.24 * step, bottom - 13, x + 0.76 * step, bottom - 6), (24, 26, 32), tuple(c + 26 for c in body))
        pen.ellipse((x + 0.46 * step, top + 7, x + 0.46 * step + 4, top + 11), (70, 150, 80))
    _badge(pen, (round(left + step + 0.02 * step), top + 6, round(left + 1.84 * step), bottom - 6), traits[0])


def _badge(pen: Pen, box: Box, brand: str) -> None:
    """The maker's mark: each has its own shape, colour and word."""
    left, top, right, bottom = box
    middle, high = (left + right) // 2, bottom - top
    small = font(max(8, round(0.2 * high)))
    if brand == HUAWEI:
        pen.rect(box, (240, 240, 240))
        for i in range(8):
            angle = math.pi * (i + 0.5) / 8
            tip = (middle - 0.42 * high * math.cos(angle), bottom - 0.3 * high - 0.62 * high * math.sin(angle))
            pen.line([(middle, bottom - 0.3 * high), tip], (206, 22, 38), max(3, high // 9))
        pen.draw.text((middle, bottom), "HUAWEI", fill=(30, 30, 30), font=small, anchor="mb")
    elif brand == ERICSSON:
        pen.rect(box, (16, 32, 110))
        for i in range(3):
            y = top + (0.12 + 0.2 * i) * high
            pen.line(
                [(middle - 0.3 * high, y + 0.12 * high), (middle + 0.3 * high, y)], (250, 250, 250), max(4, high // 9)
            )
        pen.draw.text((middle, bottom - 1), "ERICSSON", fill=(250, 250, 250), font=small, anchor="mb")
    else:
        pen.rect((left, top + 0.16 * high, right, bottom - 0.16 * high), (0, 132, 214), (225, 235, 245), 2)
        pen.draw.text(
            (middle, (top + bottom) / 2),
            "ZTE",
            fill=(255, 255, 255),
            font=font(max(14, round(0.42 * high))),
            anchor="mm",
        )


def baffle(pen: Pen, box: Box, traits: Traits) -> None:
    """An air baffle: a louvred sheet with a black knob at its left; fitted badly, it hangs askew with a gap."""
    left, top, right, bottom = box
    pen.rect((left, top - 6, right, bottom + 6), (30, 31, 34))
    high = bottom - top
    shape = sheet(box, traits)
    drop = shape[0][1] - top
    metal = pen.vary((196, 200, 204), 12)
    pen.polygon(shape, metal, (90, 92, 96))
    for x in range(left + 70, right - 14, 15):
        share = (x - left) / (right - left)
        y1, y2 = top + drop * (1 - share) + 5, bottom - drop * share - 5
        pen.line([(x, y1), (x + 8, y2)], (118, 122, 128), 4)
    y = (top + drop + bottom) / 2
    reach = 0.22 * high
    pen.ellipse((left + 22, y - reach, left + 22 + 2 * reach, y + reach), (18, 18, 20), (70, 70, 74), 2)
    if drop:
        pen.line([(left + 4, top + 2), (left + 40, top + drop - 2)], (214, 60, 40), 4)


def screw(pen: Pen, box: Box, traits: Traits) -> None:
    """A mounting screw on its lug: bright with a cross slot, or an empty rusty hole."""
    left, top, right, bottom = box
    pen.rect((left - 6, top - 8, right + 6, bottom + 8), pen.vary((122, 126, 132), 6), (46, 48, 52), 2)
    _head(pen, box, traits[0] == "符合要求", (232, 234, 238))


def _head(pen: Pen, box: Box, conforms: bool, metal: Colour) -> None:
    left, top, right, bottom = box
    x, y, reach = (left + right) / 2, (top + bottom) / 2, min(right - left, bottom - top) / 2
    around = (x - reach, y - reach, x + reach, y + reach)
    if conforms:
        pen.ellipse(around, pen.vary(metal, 8), (60, 60, 64), 2)
        for dx, dy in ((0.55, 0.0), (0.0, 0.55)):
            pen.line([(x - dx * reach, y - dy * reach), (x + dx * reach, y + dy * reach)], (70, 72, 78), 4)
    else:
        pen.ellipse(around, (168, 78, 30), (104, 48, 22), 3)
        pen.ellipse((x - 0.55 * reach, y - 0.55 * reach, x + 0.55 * reach, y + 0.55 * reach), (12, 10, 10))


def module(pen: Pen, box: Box, traits: Traits) -> None:
    """An optical module in its port: a metal cage with a green latch."""
    left, top, right, bottom = box
    pen.rect((left - 3, top - 3, right + 3, bottom + 3), (18, 18, 22))
    pen.rect(box, (186, 190, 194), (60, 62, 66), 2)
    latch = top + 0.5 * (bottom - top)
    pen.rect((left + 3, latch, right - 3, bottom - 3), pen.vary((26, 176, 92), 14), (12, 96, 50), 2)


def fibre(pen: Pen, box: Box, traits: Traits) -> None:
    """A fibre through the tray: a thin orange jumper, inside a corrugated tube where it is protected."""
    left, top, right, bottom = box
    x, swing = (left + right) / 2, (right - left) / 2 - 6
    phase = pen.rng.uniform(0, math.pi)
    shape = [(x + swing * math.sin(phase + 3 * i / 12), top + (bottom - top) * i / 12) for i in range(13)]
    if traits[0] == "无保护":
        pen.line(shape, pen.vary((246, 150, 26), 8), 7)
        return
    shape = [(x + 0.3 * (px - x), py) for px, py in shape]
    pen.line(shape, (222, 226, 230), 24)
    for px, py in shape[1:-1]:
        pen.line([(px - 11, py), (px + 11, py)], (120, 126, 134), 2)


def bar(pen: Pen, box: Box, traits: Traits) -> None:
    """A copper ground bar on a red stand-off at its left end."""
    left, top, right, bottom = box
    pen.rect((left, top + 3, right, bottom + 5), (70, 60, 54))
    pen.rect(box, pen.vary((190, 116, 62), 8), (120, 70, 36), 2)
    pen.line([(left + 2, top + 4), (right - 2, top + 4)], (226, 160, 104), 3)
    reach = bottom - top
    pen.ellipse(
        (left + 8, top - reach // 3, left + 8 + 5 * reach // 3, bottom + reach // 3), (176, 26, 26), (90, 10, 10), 3
    )


def ground_screw(pen: Pen, box: Box, traits: Traits) -> None:
    """A grounding screw: on the bar a head in the copper, at the cabinet one on a white plate with the earth sign."""
    left, top, right, bottom = box
    conforms = traits[1] == "符合要求"
    if traits[0] == "位置:接地排侧":
        _head(pen, box, conforms, (238, 236, 230))
        return
    pen.rect(box, (246, 246, 244), (24, 110, 54), 4)
    high, x = bottom - top, right - 0.24 * (right - left)
    pen.line([(x, top + 0.2 * high), (x, top + 0.5 * high)], (20, 120, 50), 3)
    for i, reach in enumerate((9, 6, 3)):
        y = top + (0.52 + 0.13 * i) * high
        pen.line([(x - reach, y), (x + reach, y)], (20, 120, 50), 3)
    side = 0.56 * high
    y = (top + bottom) / 2
    _head(
        pen,
        (round(left + 6), round(y - side / 2), round(left + 6 + side), round(y + side / 2)),
        conforms,
        (214, 176, 84),
    )


def wire(pen: Pen, box: Box, traits: Traits) -> None:
    """A green-and-yellow grounding wire below the bar: straight under black ties, or a loose tangle."""
    left, top, right, bottom = box
    x, high = (left + right) / 2, bottom - top
    green, yellow = pen.vary((58, 150, 62), 8), (226, 214, 66)
    if traits[0] == "捆扎整齐":
        pen.line([(x, top - 0.32 * high), (x, bottom)], green, 13)
        pen.line([(x, top - 0.32 * high), (x, bottom)], yellow, 4)
        for share in (0.3, 0.66):
            pen.rect((x - 13, top + share * high - 5, x + 13, top + share * high + 5), (16, 16, 16))
        return
    turn = pen.rng.choice((-1, 1))
    reach = (right - left) / 2 - 5
    shape = [
        (x + turn * reach * math.sin(2 * math.pi * 1.7 * share), top - 0.32 * high + 1.32 * high * share)
        for share in (i / 30 for i in range(31))
    ]
    pen.line(shape, green, 9)
    pen.line(shape, yellow, 3)


def label(pen: Pen, box: Box, traits: Traits) -> None:
    """A paper label: lines of print, or a smear where they were."""
    left, top, right, bottom = box
    colour, state = traits[0].removeprefix("颜色:").split(",")
    paper = pen.vary((250, 220, 50) if colour == "黄色" else (244, 244, 240), 6)
    pen.rect(box, paper, (120, 104, 30) if colour == "黄色" else (120, 120, 120), 2)
    wide, high = right - left, bottom - top
    if state == "可识别":
        for share in (0.24, 0.5, 0.76):
            y = top + share * high
            pen.line([(left + 6, y), (right - 6 - pen.rng.randint(0, wide // 6), y)], (24, 24, 28), max(3, high // 9))
        return
    for _ in range(3):
        x, y = left + wide * pen.rng.uniform(0.3, 0.7), top + high * pen.rng.uniform(0.35, 0.65)
        pen.ellipse((x - 0.24 * wide, y - 0.26 * high, x + 0.24 * wide, y + 0.26 * high), (112, 84, 62))


PARTS: dict[str, Callable[[Pen, Box, Traits], None]] = {
    BBU: bbu,
    BAFFLE: baffle,
    SCREW: screw,
    MODULE: module,
    FIBRE: fibre,
    BAR: bar,
    GROUND_SCREW: ground_screw,
    WIRE: wire,
    LABEL: label,
}
