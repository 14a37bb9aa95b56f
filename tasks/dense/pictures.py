"""A photo's bytes and its caption to a PNG with the objects drawn in. Knows no store."""

from __future__ import annotations

from pathlib import Path

from configs.parts import InputConfig
from tasks.dense.caption import Caption
from tasks.dense.draw import overlay, png_bytes
from tasks.images.open import decode


def overlay_png(photo: bytes, caption: Caption, limits: InputConfig, font: Path | None = None) -> bytes:
    """The upright photo with every object drawn in, as PNG. Raises PhotoError."""
    return png_bytes(overlay(decode(photo, limits), caption, font))
