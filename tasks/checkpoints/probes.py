"""The photos that two models are compared on: a folder's, or drawn ones. Knows no model."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from natsort import natsort_keygen, ns
from PIL import Image, ImageDraw

from configs.parts import InputConfig
from tasks.images.names import READ
from tasks.images.open import decode
from tasks.records.errors import CheckpointError, PhotoError

_SIZES = ((320, 240), (240, 320), (256, 256), (480, 270), (270, 480), (640, 480), (96, 64), (532, 728))
"""Width and height of drawn pictures, in turn."""

_natural: Any = natsort_keygen(alg=ns.INT | ns.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Probe:
    """A photo to ask about: a name to call it by, and the bytes of its file."""

    name: str
    data: bytes


def probe_photos(photos: str | None, most: int, setting: str = "merge.probe_photos") -> list[Probe]:
    """The first photos of the folder `photos` that can be read, in natural order; drawn pictures if none is given.

    Raises CheckpointError, which names the `setting` that gave the folder, if that holds no photo that can be read.
    """
    if photos is None:
        return [draw(number) for number in range(most)]
    folder = Path(photos).expanduser().resolve()
    files = [path for path in folder.rglob("*") if path.suffix.lower() in READ and path.is_file()]
    names = sorted((path.relative_to(folder).as_posix() for path in files), key=lambda name: (_natural(name), name))
    found: list[Probe] = []
    for name in names:
        if len(found) == most:
            break
        data = _readable(folder / name)
        if data is not None:
            found.append(Probe(name, data))
    if not found:
        raise CheckpointError(f"{folder} holds no photo that can be read; give {setting} a folder of photos")
    return found


def draw(number: int) -> Probe:
    """The drawn picture of that number, always the same: shapes, stripes, and rows of marks like small print."""
    made = random.Random(f"fieldcheck probe {number}")
    width, height = _SIZES[number % len(_SIZES)]
    image = Image.new("RGB", (width, height), _colour(made))
    brush = ImageDraw.Draw(image)
    for _ in range(made.randint(2, 6)):
        left, top = made.randrange(width), made.randrange(height)
        box = (left, top, left + made.randint(8, width // 2), top + made.randint(8, height // 2))
        shape = made.choice((brush.rectangle, brush.ellipse))
        shape(box, fill=_colour(made), outline=_colour(made), width=made.randint(1, 4))
    if number % 3 != 1:
        step, ink = made.randint(4, 24), _colour(made)
        for at in range(0, width + height, step):
            brush.line((at, 0, at - height, height), fill=ink, width=made.randint(1, max(1, step // 4)))
    if number % 3 != 2:
        _print_marks(brush, made, width, height)
    out = io.BytesIO()
    image.save(out, "PNG")
    return Probe(f"drawn-{number + 1}.png", out.getvalue())


def _print_marks(brush: ImageDraw.ImageDraw, made: random.Random, width: int, height: int) -> None:
    size, ink = made.randint(3, 8), _colour(made)
    for row in range(made.randint(2, 6)):
        top = (row + 1) * size * 2
        for column in range(size, width - size, size + 2):
            if top + size < height and made.random() < 0.7:
                brush.line((column, top, column + made.randint(1, size), top + made.randint(0, size)), fill=ink)
                brush.point((column + made.randint(0, size), top + made.randint(0, size)), fill=ink)


def _colour(made: random.Random) -> tuple[int, int, int]:
    return made.randrange(256), made.randrange(256), made.randrange(256)


def _readable(path: Path) -> bytes | None:
    limits = InputConfig()
    try:
        if path.stat().st_size > limits.max_file_bytes:
            return None
        data = path.read_bytes()
        decode(data, limits)
    except (OSError, PhotoError):
        return None
    return data
