"""The strip below a drawn photo: every object's number, colour and full description. Knows no photo and no place."""

from __future__ import annotations

from PIL import Image, ImageDraw
from PIL.ImageDraw import ImageDraw as Pen
from PIL.ImageFont import FreeTypeFont

from tasks.dense.caption import Caption
from tasks.dense.colours import PAPER, Colour, colour_of, contrast
from tasks.dense.fonts import CURE, Face

MOST_LISTED = 150
"""Objects that have a label and a line in the legend; of the others the number is told."""

_MOST_SIGNS = 400
_LEAST_COLUMNS, _MOST_COLUMNS = 2, 3
_INK: Colour = (20, 20, 20)
_NOTE: Colour = (170, 60, 0)


def chip_size(words: str, font: FreeTypeFont, text: int) -> tuple[int, int]:
    """Width and height in pixels of a filled box with these words; `text` is the font's size."""
    return round(font.getlength(words) + 0.6 * text), round(1.35 * text)


def chip(pen: Pen, rect: tuple[float, float, float, float], words: str, font: FreeTypeFont, colour: Colour) -> None:
    """A filled box with words in black or white."""
    left, top, right, bottom = rect
    pen.rectangle((left, top, right - 1, bottom - 1), fill=colour, outline=contrast(colour), width=1)
    pen.text(((left + right) / 2, (top + bottom) / 2), words, font=font, fill=contrast(colour), anchor="mm")


def legend(caption: Caption, face: Face, text: int, width: int) -> Image.Image:
    """A strip `width` pixels wide and as high as it has to be."""
    font, margin, line = face.font(text), text // 2, round(1.5 * text)
    listed = caption.objects[:MOST_LISTED]
    chips = [chip_size(str(number), font, text) for number in range(1, len(listed) + 1)]
    indent = max((size[0] for size in chips), default=0) + margin
    descs = [face.writable(item.desc[:_MOST_SIGNS]) for item in listed]
    widest = max((font.getlength(desc) for desc in descs), default=0) + indent + 2 * margin
    columns = max(_LEAST_COLUMNS, min(_MOST_COLUMNS, int((width - margin) // widest)))
    column = (width - margin) // columns
    wrapped = [_wrapped(desc, font, column - indent - 2 * margin) for desc in descs]
    high = -(-len(wrapped) // columns)
    stacks = [range(start, min(start + high, len(wrapped))) for start in range(0, len(wrapped), high or 1)]
    highest = max((sum(len(wrapped[item]) for item in stack) for stack in stacks), default=0)
    lines = [part for note in _notes(caption, face) for part in _wrapped(note, font, width - 2 * margin)]
    strip = Image.new("RGB", (width, 2 * margin + line * (highest + len(lines))), PAPER)
    pen = ImageDraw.Draw(strip)
    for place, stack in enumerate(stacks):
        x, y = margin + place * column, margin
        for item in stack:
            size = chips[item]
            chip(pen, (x, y, x + size[0], y + size[1]), str(item + 1), font, colour_of(listed[item].type))
            for part in wrapped[item]:
                pen.text((x + indent, y + size[1] / 2), part, font=font, fill=_INK, anchor="lm")
                y += line
    for offset, part in enumerate(lines):
        pen.text((margin, margin + line * (highest + offset + 0.5)), part, font=font, fill=_NOTE, anchor="lm")
    return strip


def _notes(caption: Caption, face: Face) -> list[str]:
    """What is to be said about the drawing as a whole."""
    notes = []
    if not caption.objects:
        notes.append("没有物体 (no objects)" if face.chinese else "no objects")
    if len(caption.objects) > MOST_LISTED:
        more = len(caption.objects) - MOST_LISTED
        notes.append(f"and {more} more without a label")
    if not face.chinese and any(not item.desc.isascii() for item in caption.objects):
        notes.append(f"Chinese text is left out: {CURE}")
    return notes


def _wrapped(text: str, font: FreeTypeFont, width: float) -> list[str]:
    """A text in lines of at most `width` pixels, broken anywhere, as Chinese is."""
    lines, current = [], ""
    for sign in text:
        if current and font.getlength(current + sign) > width:
            lines.append(current)
            current = ""
        current += sign
    return [*lines, current]
