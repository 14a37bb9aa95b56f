"""Draw a dense caption on its photo, for a person to judge at a glance. Knows no store and no model."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageDraw
from PIL.ImageDraw import ImageDraw as Pen

from tasks.dense.caption import Caption, DenseObject, Geometry
from tasks.dense.colours import PAPER, Colour, colour_of, contrast
from tasks.dense.fonts import Face, face_for
from tasks.dense.geometry import to_pixels
from tasks.dense.labels import Rect, place_labels
from tasks.dense.legend import MOST_LISTED, chip, chip_size, legend

SHORTEST, LONGEST = 900, 2400
"""Sides of the drawn photo in pixels: small photos are enlarged, large ones reduced; LONGEST has the last word."""

NARROWEST = 700
"""Least width and a quarter of it least height of the picture: what a photo lacks is paper, so that labels fit."""

_MOST_SIGNS = 40
_WIDEST = 0.6
"""Share of the picture's width that a label may take."""


def overlay(photo: Image.Image, caption: Caption, font: Path | None = None) -> Image.Image:
    """A new RGB picture: the photo (upright, any size) with every object drawn in, above a legend.

    Each object has its type's colour, an outline, and a label with its number and as much of its description as
    there is room for; the legend has all of it. Without a font that has Chinese characters only numbers and ASCII
    text are written, and the legend says so. Raises InputError if `font` is no font file.
    """
    face = face_for(font)
    drawn = _resized(photo.convert("RGB"))
    size = max(drawn.width, NARROWEST), max(drawn.height, NARROWEST // 4)
    text = max(18, round(min(size) / 42))
    below = legend(caption, face, text, size[0])
    whole = Image.new("RGB", (size[0], size[1] + below.height), PAPER)
    whole.paste(drawn, (0, 0))
    _draw_objects(ImageDraw.Draw(whole), caption, drawn.size, text)
    _draw_labels(ImageDraw.Draw(whole), caption, drawn.size, size, face, text)
    whole.paste(below, (0, size[1]))
    return whole


def png_bytes(image: Image.Image) -> bytes:
    """A picture as PNG; the same picture gives the same bytes with the same Pillow."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _resized(photo: Image.Image) -> Image.Image:
    """The photo at the size it is drawn at."""
    scale = min(max(1.0, SHORTEST / min(photo.size)), LONGEST / max(photo.size))
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    return photo if size == photo.size else photo.resize(size, Image.Resampling.LANCZOS)


def _draw_objects(pen: Pen, caption: Caption, size: tuple[int, int], text: int) -> None:
    """Outline the objects, large ones first, so that small ones stay in sight."""
    width = max(3, round(text / 6))
    halo = width + 2 * max(2, round(width / 2))
    for item in sorted(caption.objects, key=lambda item: -_extent(_bounds(item.geometry, size))):
        colour = colour_of(item.type)
        for stroke, shade in ((halo, contrast(colour)), (width, colour)):
            _outline(pen, item, size, stroke, shade)


def _outline(pen: Pen, item: DenseObject, size: tuple[int, int], stroke: int, colour: Colour) -> None:
    """One stroke around or along an object; the points of lines and polygons are dots."""
    points = to_pixels(item.geometry.points, *size)
    if item.geometry.kind == "bbox_2d":
        (left, top), (right, bottom) = points
        # Pillow draws a rectangle's stroke inwards; this one is to lie on the edge.
        half = stroke / 2
        pen.rectangle((left - half, top - half, right + half, bottom + half), outline=colour, width=stroke)
        return
    path = [*points, points[0]] if item.geometry.kind == "poly" else list(points)
    pen.line(path, fill=colour, width=stroke, joint="curve")
    for x, y in points:
        pen.circle((x, y), stroke, fill=colour)


def _bounds(geometry: Geometry, size: tuple[int, int], margin: float = 0) -> Rect:
    """The rectangle in pixels around a geometry; an upright line has one too if there is a margin."""
    points = to_pixels(geometry.points, *size)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs) - margin, min(ys) - margin, max(xs) + margin, max(ys) + margin


def _extent(rect: Rect) -> float:
    return (rect[2] - rect[0]) * (rect[3] - rect[1])


def _draw_labels(
    pen: Pen, caption: Caption, size: tuple[int, int], canvas: tuple[int, int], face: Face, text: int
) -> None:
    """Label the first objects; a label that had to go elsewhere is tied to its object by a thin line."""
    objects = caption.objects[:MOST_LISTED]
    bounds = [_bounds(item.geometry, size, text / 5) for item in objects]
    font = face.font(text)
    wordings: list[list[str]] = []
    sizes: list[list[tuple[int, int]]] = []
    for number, item in enumerate(objects, 1):
        desc = item.desc if len(item.desc) <= _MOST_SIGNS else item.desc[:_MOST_SIGNS] + "..."
        texts = dict.fromkeys(f"{number} {face.writable(part)}".strip() for part in (desc, item.type[:_MOST_SIGNS], ""))
        measured = [(words, chip_size(words, font, text)) for words in texts]
        fitting = [(words, chip) for words, chip in measured if chip[0] <= _WIDEST * canvas[0]] or measured[-1:]
        wordings.append([words for words, _ in fitting])
        sizes.append([chip for _, chip in fitting])
    labels = place_labels(bounds, sizes, canvas)
    for label in labels:
        _tie(pen, label.rect, bounds[label.index], colour_of(objects[label.index].type))
    for label in labels:
        chip(pen, label.rect, wordings[label.index][label.wording], font, colour_of(objects[label.index].type))


def _tie(pen: Pen, label: Rect, place: Rect, colour: Colour) -> None:
    """A thin line from a label to the nearest point of its object's rectangle, if they are apart."""
    x, y = (label[0] + label[2]) / 2, (label[1] + label[3]) / 2
    end = max(place[0], min(x, place[2])), max(place[1], min(y, place[3]))
    start = max(label[0], min(end[0], label[2])), max(label[1], min(end[1], label[3]))
    if start != end:
        pen.line((start, end), fill=contrast(colour), width=5)
        pen.line((start, end), fill=colour, width=3)
