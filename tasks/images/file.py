"""One photo's file, as a person names it on the command line. Knows no group and no model."""

from __future__ import annotations

from pathlib import Path

from configs.parts import InputConfig
from tasks.images.open import decode
from tasks.records.errors import PhotoError
from tasks.records.reasons import Reason


def read_photo(path: Path, limits: InputConfig) -> bytes:
    """The bytes of a photo that was decoded once, so that a bad one is refused before anything is loaded for it.

    Raises PhotoError: what verification and decoding raise, or unreadable.
    """
    try:
        if not path.is_file():
            raise PhotoError(Reason.UNREADABLE, f"{path} is no file; give a photo")
        with path.open("rb") as file:
            data = file.read(limits.max_file_bytes + 1)
    except OSError as error:
        raise PhotoError(Reason.UNREADABLE, f"{path} cannot be read: {error.strerror}") from error
    try:
        decode(data, limits)
    except PhotoError as error:
        raise PhotoError(error.reason, f"{path}: {error.detail}") from error
    return data
