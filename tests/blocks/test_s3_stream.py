"""Reading an object whose body breaks off: where it goes on, and that two versions never mix."""

from __future__ import annotations

import hashlib
import random
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from blocks import s3_stream
from blocks.errors import ObjectCorrupt, ObjectMissing, StoreGivenUp
from blocks.retrying import Retry
from blocks.s3_store import S3Store
from tests.blocks.fake_s3 import Answer, Request, Script, error, fake_s3

DATA = random.Random(7).randbytes(500_000)
OTHER = random.Random(8).randbytes(500_000)
PATIENT = Retry(60, sleep=lambda _: None)


def sum_of(data: bytes) -> dict[str, str]:
    return {"x-amz-checksum-sha256": b64encode(hashlib.sha256(data).digest()).decode()}


def served(
    request: Request,
    data: bytes,
    etag: str = '"one"',
    breaks_after: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """The object, or the part of it that the request asks for; after `breaks_after` bytes the connection closes."""
    asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
    start = int(asked[1]) if asked else 0
    body = data[start:]
    given = {"ETag": etag} | dict(headers or {})
    if asked:
        given["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
    return Answer(206 if asked else 200, body[:breaks_after], given, len(body))


def in_turn(*scripts: Script) -> Script:
    """The first request goes to the first script, and so on; the last one keeps answering."""
    left = list(scripts)

    def script(request: Request) -> Answer:
        return (left.pop(0) if len(left) > 1 else left[0])(request)

    return script


def breaking(after: int) -> Script:
    return lambda request: served(request, DATA, breaks_after=after)


def whole(request: Request) -> Answer:
    return served(request, DATA)


def by_read(store: S3Store) -> bytes:
    with store.open("a") as stream:
        return stream.read()


def in_chunks(store: S3Store) -> bytes:
    with store.open("a") as stream:
        return b"".join(iter(lambda: stream.read(10_007), b""))


def by_lines(store: S3Store) -> bytes:
    with store.open("a") as stream:
        return b"".join(stream)


@contextmanager
def on(*scripts: Script, retry: Retry = PATIENT, max_attempts: int = 1) -> Iterator[tuple[S3Store, list[Request]]]:
    with fake_s3(in_turn(*scripts), retry=retry, max_attempts=max_attempts) as found:
        yield found


@pytest.mark.parametrize("read", [by_read, in_chunks, by_lines, lambda store: store.read("a")])
@pytest.mark.parametrize("after", [0, 1, 65_535, 65_536, 65_537, 300_000, 499_999])
def test_it_goes_on_where_it_was(read: Callable[[S3Store], bytes], after: int) -> None:
    with on(breaking(after), whole) as (store, seen):
        assert read(store) == DATA
    first, second = seen
    assert "range" not in first.headers
    position = int(second.headers["range"][6:-1]) if "range" in second.headers else 0
    # What is read again is less than a step.
    assert after - s3_stream._STEP_BYTES < position <= after
    if position:
        assert second.headers["if-match"] == '"one"'


def test_a_part_can_break_off_too_and_be_refused() -> None:
    away = error(503, "SlowDown")
    with on(breaking(70_000), lambda _: away, breaking(70_000), lambda _: away, lambda _: away, whole) as (store, seen):
        assert by_read(store) == DATA
    starts = [int(request.headers.get("range", "bytes=0-")[6:-1]) for request in seen]
    assert starts == sorted(starts)
    assert len(set(starts)) == 3


def test_opening_is_tried_again() -> None:
    away = error(503, "SlowDown")
    with on(lambda _: away, lambda _: away, whole) as (store, seen):
        store.open("a").close()
    assert len(seen) == 3


def test_progress_starts_the_deadline_anew() -> None:
    now = [0.0]

    def sleep(_: float) -> None:
        now[0] += 4.0

    retry = Retry(5, sleep=sleep, clock=lambda: now[0])
    with on(*[breaking(66_000)] * 8, whole, retry=retry) as (store, _):
        assert in_chunks(store) == DATA
    assert now[0] > 20


def test_no_progress_ends_at_the_deadline() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    retry = Retry(5, sleep=sleep, clock=lambda: now[0])
    with on(breaking(70_000), breaking(0), retry=retry) as (store, seen):
        for read in (in_chunks, lambda store: store.read("a")):
            with pytest.raises(StoreGivenUp, match="the connection broke") as caught:
                read(store)
            assert "attempts in 5.0 s" in str(caught.value)
            assert caught.value.uri == "s3://bucket/a"
    assert len(seen) > 4


REPLACED: list[tuple[str, Script]] = [
    ("the object was replaced", lambda _: error(412, "PreconditionFailed")),
    ("the object was replaced", lambda _: error(416, "InvalidRange")),
    ("the object was replaced", lambda request: served(request, OTHER, '"two"')),
    ("does not give a part", lambda request: served(Request("GET", "/", {}), DATA)),
]


@pytest.mark.parametrize(("why", "answer"), REPLACED, ids=["412", "416", "ignores If-Match", "ignores Range"])
@pytest.mark.parametrize("read", [by_read, in_chunks])
def test_two_versions_never_mix(read: Callable[[S3Store], bytes], why: str, answer: Script) -> None:
    with on(breaking(70_000), answer) as (store, seen), pytest.raises(ObjectCorrupt, match=why) as caught:
        read(store)
    assert len(seen) == 2
    assert not caught.value.retryable
    for part in ("'bucket'", "http://127.0.0.1", "bytes", "read it again", "[s3://bucket/a]"):
        assert part in str(caught.value)


def test_a_server_without_etags() -> None:
    def bare(request: Request) -> Answer:
        return Answer(200, DATA[:70_000], {}, len(DATA))

    with on(bare) as (store, seen), pytest.raises(ObjectCorrupt, match="gives no ETag"):
        by_read(store)
    assert len(seen) == 1


@pytest.mark.parametrize("answer", [answer for _, answer in REPLACED[:3]], ids=["412", "416", "ignores If-Match"])
def test_read_takes_the_new_version_from_its_start(answer: Script) -> None:
    def new(request: Request) -> Answer:
        return served(request, OTHER, '"two"')

    with on(breaking(70_000), answer, new, max_attempts=2) as (store, seen):
        assert store.read("a") == OTHER
    assert len(seen) == 3


def test_an_object_that_is_deleted_meanwhile() -> None:
    with on(breaking(70_000), lambda _: error(404, "NoSuchKey")) as (store, _), pytest.raises(ObjectMissing):
        by_read(store)


def test_the_sum_of_the_whole_is_not_held_against_a_part() -> None:
    def summed(request: Request, after: int | None) -> Answer:
        return served(request, DATA, breaks_after=after, headers=sum_of(DATA))

    with on(lambda request: summed(request, 70_000), lambda request: summed(request, None)) as (store, seen):
        assert in_chunks(store) == DATA
    assert len(seen) == 2


@pytest.mark.parametrize("read", [by_read, in_chunks])
def test_damage_is_noticed_across_a_break(read: Callable[[S3Store], bytes]) -> None:
    def first(request: Request) -> Answer:
        return served(request, DATA, breaks_after=70_000, headers=sum_of(DATA))

    def damaged(request: Request) -> Answer:
        return served(request, DATA[:-1] + b"!", headers={})

    with on(first, damaged) as (store, _), pytest.raises(ObjectCorrupt, match="checksum"):
        read(store)


def test_damage_is_read_again_a_few_times_only() -> None:
    with on(lambda request: served(request, DATA, headers=sum_of(OTHER)), max_attempts=3) as (store, seen):
        with pytest.raises(ObjectCorrupt, match="checksum"):
            store.read("a")
        assert len(seen) == 3
