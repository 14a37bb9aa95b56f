"""Text from outside made fit for a terminal: it is shown there, and never obeyed. Knows no terminal and no log."""

from __future__ import annotations

import logging
from typing import Any, TextIO
from unicodedata import category


def escaped(text: str) -> str:
    """Text from outside as a terminal may be given it: what moves a cursor, colours, hides or turns text round is
    spelled out, as `\\x1b` or `\\u202e`. Line ends and tabs stay, and so does everything that can be seen."""
    if text.isprintable():
        return text
    return "".join(sign if sign in "\n\t" or not _commands(sign) else _spelled(sign) for sign in text)


def _commands(sign: str) -> bool:
    return category(sign) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _spelled(sign: str) -> str:
    return sign.encode("unicode_escape").decode()


class EscapingFormatter(logging.Formatter):
    """Another formatter's text, escaped."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """The record's text."""
        return escaped(self._inner.format(record))


class EscapingStream:
    """A stream that escapes what is written to it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text."""
        return self._stream.write(escaped(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
