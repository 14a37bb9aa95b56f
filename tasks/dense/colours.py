"""One colour for each type of object, the same on every photo. Knows no caption and no drawing."""

from __future__ import annotations

import hashlib

Colour = tuple[int, int, int]

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)
PAPER: Colour = (250, 250, 250)

# Okabe and Ito's seven for colour-blind readers, then three that differ from them in lightness.
PALETTE: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (51, 34, 136),
    (136, 34, 85),
    (221, 221, 221),
)

# With this salt the ten commonest types (BBU设备, 挡风板, 安装螺丝, 光模块, 光纤, 接地排, 接地螺丝, 接地线, 标签,
# 线缆) have ten different colours. Other types may share one: labels tell them apart.
_SALT = (992).to_bytes(4, "big")


def colour_of(type_name: str) -> Colour:
    """The colour (red, green, blue; 0..255 each) of a type."""
    digest = hashlib.blake2b(type_name.encode("utf-8", "surrogatepass"), digest_size=4, salt=_SALT).digest()
    return PALETTE[digest[0] % len(PALETTE)]


def contrast(colour: Colour) -> Colour:
    """Black or white, whichever is easier to read on a colour."""
    red, green, blue = colour
    return BLACK if 0.299 * red + 0.587 * green + 0.114 * blue > 120 else WHITE
