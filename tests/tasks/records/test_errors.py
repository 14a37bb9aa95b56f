"""Tests of the error tree: as drawn, picklable, and honest about what trying again can do."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator

import pytest

import blocks.errors
import tasks.records.errors as errors
from blocks.errors import StoreError
from configs.errors import ConfigError, Fault, FieldcheckError
from tasks.records.errors import PhotoError
from tasks.records.reasons import Reason

_NODE = re.compile(r"^ {4}(?P<indent>[| +-]*)(?P<name>[A-Z][A-Za-z]+) *(?P<retry>\(retry\))?")


def _descendants(kind: type[FieldcheckError]) -> Iterator[type[FieldcheckError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _descendants(child)


def _drawn() -> dict[str, tuple[str | None, bool]]:
    """Name to parent and whether it is marked, as the docstring draws it."""
    found: dict[str, tuple[str | None, bool]] = {}
    path: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = _NODE.match(line)
        if match is None:
            continue
        depth = len(match["indent"])
        while path and path[-1][0] >= depth:
            path.pop()
        found[match["name"]] = (path[-1][1] if path else None, bool(match["retry"]))
        path.append((depth, match["name"]))
    return found


def _sample(kind: type[FieldcheckError]) -> FieldcheckError:
    if issubclass(kind, ConfigError):
        return kind([Fault("store", "is not given", "give one"), Fault("mission", "is not given")])
    if issubclass(kind, PhotoError):
        return kind(Reason.TRUNCATED_IMAGE, "the file ends [early]")
    if issubclass(kind, StoreError):
        return kind("it went away [really]", uri="s3://bucket/照片/img1.jpg")
    return kind("第三行 is wrong")


ALL = sorted({FieldcheckError, *_descendants(FieldcheckError)}, key=lambda kind: kind.__name__)


def test_the_tree_in_the_docstring_is_the_real_one() -> None:
    real = {kind.__name__: None if kind is FieldcheckError else kind.__base__.__name__ for kind in ALL}
    assert {name: parent for name, (parent, _) in _drawn().items()} == real


def test_retry_marks_in_the_docstring_are_the_real_ones() -> None:
    leaves = {kind.__name__ for kind in ALL if not kind.__subclasses__()}
    marked = {name for name, (_, retry) in _drawn().items() if retry}
    assert marked == {kind.__name__ for kind in ALL if kind.retryable}
    assert marked <= leaves


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_survives_pickling(kind: type[FieldcheckError]) -> None:
    error = _sample(kind)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
    assert copy.retryable == kind.retryable


def test_modules_export_every_error_that_they_define() -> None:
    defined = {kind.__name__ for kind in ALL if kind.__module__ == errors.__name__}
    assert defined <= set(errors.__all__)
    assert all(hasattr(blocks.errors, kind.__name__) for kind in ALL if kind.__module__ == "blocks.errors")


def test_a_photo_error_says_reason_and_detail() -> None:
    assert str(PhotoError(Reason.EMPTY_FILE, "no bytes")) == "empty_file: no bytes"
