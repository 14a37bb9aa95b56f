"""Requests made ready."""

from __future__ import annotations

import pytest

from configs.parts import InputConfig, ModelConfig
from tasks.engines.photos import Bounds, Scaler
from tasks.engines.preparing import Preparer, Ready
from tasks.engines.protocol import Decoding, Failure, Request
from tasks.records.errors import PhotoError
from tasks.records.reasons import Reason
from tests.demo import Demo
from tests.tasks.engines.asking import ask, photo_files


def preparer(most: int | None) -> Preparer:
    scaler = Scaler(Bounds(shortest=4096), ModelConfig(), InputConfig())
    return Preparer(scaler, lambda request: len(request.system) + len(request.user), most)


@pytest.mark.parametrize("most", [None, 400])
def test_lengths_are_foretold_from_the_size(demo: Demo, most: int | None) -> None:
    for path in photo_files(demo, 6):
        request = ask(path, Decoding(8))
        request = Request(request.id, request.read, "s" * 100, "u" * 100, request.decoding, request.size)
        ready = preparer(most).prepare(request)
        assert isinstance(ready, Ready)
        assert preparer(most).length(request) == ready.tokens == 200 + ready.visual_tokens
        assert most is None or ready.tokens + 8 <= most


def test_a_photo_of_unknown_size_is_taken_for_the_largest() -> None:
    request = Request("a", lambda: b"", "s", "u", Decoding(8))
    assert preparer(None).length(request) == 2 + 1_003_520 // 1024


def test_what_cannot_be_read_is_a_failure_and_what_fails_otherwise_passes() -> None:
    def gone() -> bytes:
        raise PhotoError(Reason.UNREADABLE, "gone")

    def broken() -> bytes:
        raise OSError("disk")

    failed = preparer(None).prepare(Request("a", gone, "s", "u", Decoding(8)))
    assert isinstance(failed, Failure)
    assert failed.error.reason is Reason.UNREADABLE
    with pytest.raises(OSError, match="disk"):
        preparer(None).prepare(Request("a", broken, "s", "u", Decoding(8)))


def test_text_alone_is_as_long_as_it_is_and_never_cut() -> None:
    request = Request("a", None, "s" * 300, "u" * 60, Decoding(40))
    ready = preparer(400).prepare(request)
    assert isinstance(ready, Ready)
    assert (ready.tokens, ready.shown) == (360, None) == (preparer(400).length(request), None)
    failed = preparer(399).prepare(request)
    assert isinstance(failed, Failure)
    assert failed.error.reason is Reason.PROMPT_TOO_LONG
    assert failed.error.detail == "360 prompt tokens and 40 new tokens are more than 399"
