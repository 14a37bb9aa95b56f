"""Canonical JSON and JSONL: one way to write a record, and strict reading with line numbers. Knows no store.

Canonical means: UTF-8, keys in the order of the model's fields, `", "` and `": "` as separators, one `\n` after each
line, no NaN. The same records are the same bytes everywhere. The characters U+0085, U+2028 and U+2029 are escaped,
because many readers take them for line ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tasks.records.errors import RecordError

RecordT = TypeVar("RecordT", bound=BaseModel)

_LINE_ENDS = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def canonical(value: Any) -> str:
    """One JSON value on one line, without the line end."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    # Not str.translate: that takes longer over a line of Chinese than all the rest of writing it.
    for char, escape in _LINE_ENDS.items():
        text = text.replace(char, escape)
    return text


def to_line(record: BaseModel) -> bytes:
    """One record as a canonical line, with its line end."""
    return (canonical(record.model_dump(mode="json")) + "\n").encode("utf-8")


def read_lines(kind: type[RecordT], chunks: Iterable[bytes], name: str) -> Iterator[tuple[int, RecordT]]:
    """Line number (from 1) and record of every line.

    `chunks` is any iterable of lines, such as an open binary file; `name` is the file's name for messages.
    Raises RecordError at the first line that is not exactly one record: not UTF-8, not JSON, a key too many, too
    few or twice, a wrong type, a blank line, or a last line without its line end (the mark of a cut file).
    """
    for number, line in enumerate(chunks, start=1):
        if not line.endswith(b"\n"):
            raise RecordError(f"{name}, line {number}: the line end is missing; the file is cut off")
        yield number, parse(kind, line[:-1], f"{name}, line {number}")


def parse(kind: type[RecordT], data: bytes, place: str) -> RecordT:
    """One record from one line or file; `place` is for messages. Raises RecordError."""
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise RecordError(f"{place}: not UTF-8 at byte {error.start}") from error
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{place}: not JSON: {error}") from error
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "record"
        raise RecordError(f"{place}: {where}: {first['msg']}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"key {twice!r} stands twice")
    return value
