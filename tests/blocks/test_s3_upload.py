"""Sending objects to S3: checksums, conditions that servers know, ignore or reject, and parts."""

from __future__ import annotations

import hashlib
import io
import uuid
from base64 import b64encode
from itertools import count

import pytest

from blocks import s3_upload
from blocks.errors import ObjectCorrupt, ObjectExists, ObjectMissing, StoreError, StoreGivenUp
from blocks.retrying import Retry
from blocks.s3_store import S3Store
from configs.stores import S3Location, S3Options
from tests.blocks.fake_s3 import Answer, Request, error, fake_s3
from tests.servers import S3Server

PATIENT = Retry(60, sleep=lambda _: None)


def store_on(server: S3Server, bucket: str) -> S3Store:
    options = S3Options(endpoint_url=server.endpoint, max_attempts=1)
    return S3Store(S3Location(bucket, uuid.uuid4().hex), options, server.credentials())


def sha256(data: bytes) -> str:
    return b64encode(hashlib.sha256(data).digest()).decode()


def test_every_put_carries_a_sha256() -> None:
    with fake_s3(lambda _: Answer()) as (store, seen):
        store.write("a", b"hello")
    (put,) = seen
    assert put.headers["x-amz-checksum-sha256"] == sha256(b"hello")
    assert put.headers["content-length"] == "5"
    assert "x-amz-trailer" not in put.headers
    assert "if-none-match" not in put.headers


def test_the_server_keeps_the_sha256(moto_bucket: tuple[S3Server, str]) -> None:
    server, bucket = moto_bucket
    store = store_on(server, bucket)
    store.write("a", b"hello")
    prefix = store.uri.rpartition("/")[2]
    head = server.client().head_object(Bucket=bucket, Key=f"{prefix}/a", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == sha256(b"hello")


def test_a_server_that_stored_something_else() -> None:
    wrong = Answer(headers={"x-amz-checksum-sha256": sha256(b"other")})
    with fake_s3(lambda _: wrong) as (store, _), pytest.raises(ObjectCorrupt, match="we sent"):
        store.write("a", b"hello")


@pytest.mark.parametrize(
    ("status", "code", "there", "leaf"),
    [
        (412, "PreconditionFailed", False, ObjectExists),
        (409, "ConditionalRequestConflict", False, StoreGivenUp),
        (409, "ConditionalRequestConflict", True, ObjectExists),
        (500, "InternalError", False, StoreGivenUp),
    ],
)
def test_a_lost_race(status: int, code: str, there: bool, leaf: type[StoreError]) -> None:
    heads = iter([404, 200 if there else 404])

    def script(request: Request) -> Answer:
        return Answer(next(heads)) if request.method == "HEAD" else error(status, code)

    with fake_s3(script) as (store, seen), pytest.raises(leaf) as caught:
        store.write("a", b"x", replace=False)
    assert type(caught.value) is leaf
    assert [request.headers.get("if-none-match") for request in seen if request.method == "PUT"] == ["*"]


def test_a_server_that_knows_no_conditions() -> None:
    def script(request: Request) -> Answer:
        if request.method == "HEAD":
            return Answer(404)
        return error(501, "NotImplemented") if "if-none-match" in request.headers else Answer()

    with fake_s3(script) as (store, seen):
        store.write("a", b"x", replace=False)
    assert [request.method for request in seen] == ["HEAD", "PUT", "PUT"]


def test_a_server_that_ignores_conditions_is_asked_first() -> None:
    there = Answer(200)
    with fake_s3(lambda _: there) as (store, seen), pytest.raises(ObjectExists):
        store.write("a", b"x", replace=False)
    assert [request.method for request in seen] == ["HEAD"]


@pytest.mark.parametrize(("size", "parts"), [(0, 1), (1000, 1), (1001, 2), (2500, 3), (9000, 5)])
def test_parts(size: int, parts: int, moto_bucket: tuple[S3Server, str], monkeypatch: pytest.MonkeyPatch) -> None:
    # moto does not insist on parts of 5 MiB when it is small here; the last case needs larger parts for 5 to be enough.
    monkeypatch.setattr(s3_upload, "PART_BYTES", 1000)
    monkeypatch.setattr(s3_upload, "MAX_PARTS", 5)
    data = bytes(number % 251 for number in range(size))
    pieces = list(s3_upload._pieces(io.BytesIO(data), size, "s3://b/k"))
    assert b"".join(pieces) == data
    assert len(pieces) == (parts if size else 0)


def test_nothing_half_written_stays(moto_bucket: tuple[S3Server, str]) -> None:
    server, bucket = moto_bucket
    store = store_on(server, bucket)

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= 32 << 20:
                raise OSError("the disk of the source")
            return super().read(size)

    with pytest.raises(OSError, match="the disk of the source"):
        store.upload("a", Broken(bytes(40 << 20)))
    assert store.stat("a") is None
    assert "Uploads" not in server.client().list_multipart_uploads(Bucket=bucket)


def test_a_part_that_fails_ends_the_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_upload, "PART_BYTES", 1000)
    begun = Answer(200, b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>")

    def script(request: Request) -> Answer:
        if request.method == "POST":
            return begun
        return error(503, "SlowDown") if request.method == "PUT" else Answer(204)

    with fake_s3(script) as (store, seen), pytest.raises(StoreGivenUp):
        store.upload("a", io.BytesIO(bytes(3000)))
    assert [request.method for request in seen] == ["POST", "PUT", "DELETE"]
    assert "uploadId=u1" in seen[-1].path


def test_a_source_that_shrinks(moto_bucket: tuple[S3Server, str]) -> None:
    class Shrinking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(size)[:-1]

    store = store_on(*moto_bucket)
    with pytest.raises(ObjectCorrupt, match="shorter"):
        store.upload("a", Shrinking(b"hello"))
    assert store.stat("a") is None


def test_parts_with_a_condition(moto_bucket: tuple[S3Server, str]) -> None:
    store = store_on(*moto_bucket)
    data = bytes(17 << 20)
    store.upload("a", io.BytesIO(data), replace=False)
    with pytest.raises(ObjectExists):
        store.upload("a", io.BytesIO(data), replace=False)
    store.upload("a", io.BytesIO(b"small"), replace=True)
    assert store.read("a") == b"small"


BEGUN = Answer(200, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
DONE = Answer(200, b"<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")


def begins(request: Request) -> bool:
    return request.method == "POST" and "uploadId" not in request.path


def test_a_put_is_sent_again_from_where_the_source_stood() -> None:
    answers = iter([error(503, "SlowDown"), error(500, "InternalError"), Answer()])
    source = io.BytesIO(b"before and after")
    source.seek(7)
    with fake_s3(lambda _: next(answers), retry=PATIENT) as (store, seen):
        assert store.upload("a", source).size == 9
    assert [put.headers["x-amz-checksum-sha256"] for put in seen] == [sha256(b"and after")] * 3


def test_each_part_is_tried_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_upload, "PART_BYTES", 1000)
    counter = count()

    def script(request: Request) -> Answer:
        if next(counter) % 2 == 0:
            return error(503, "SlowDown")
        if request.method == "PUT":
            return Answer(headers={"ETag": '"part"'})
        return BEGUN if begins(request) else DONE

    with fake_s3(script, retry=PATIENT) as (store, seen):
        store.upload("a", io.BytesIO(bytes(2500)))
    assert [request.method for request in seen] == ["POST"] * 2 + ["PUT"] * 6 + ["POST"] * 2


@pytest.mark.parametrize("losses", [1, 2, 3])
def test_an_upload_that_is_gone_is_sent_again(losses: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_upload, "PART_BYTES", 1000)
    left = iter([True] * losses)
    sums: list[str] = []

    def script(request: Request) -> Answer:
        if request.method == "PUT":
            sums.append(request.headers["x-amz-checksum-sha256"])
            return Answer(headers={"ETag": '"part"'})
        if request.method == "DELETE":
            return error(404, "NoSuchUpload")
        if begins(request):
            return BEGUN
        return error(404, "NoSuchUpload") if next(left, False) else DONE

    data = bytes(number % 251 for number in range(2600))
    source = io.BytesIO(data)
    source.seek(100)
    with fake_s3(script, retry=PATIENT) as (store, _):
        if losses == 3:
            with pytest.raises(ObjectMissing, match="NoSuchUpload"):
                store.upload("a", source)
        else:
            store.upload("a", source)
    once = [sha256(data[start : start + 1000]) for start in (100, 1100, 2100)]
    assert sums == once * min(losses + 1, 3)


def test_a_bucket_that_is_missing_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_upload, "PART_BYTES", 1000)
    with fake_s3(lambda _: error(404, "NoSuchBucket"), retry=PATIENT) as (store, seen):
        with pytest.raises(ObjectMissing, match="bucket"):
            store.upload("a", io.BytesIO(bytes(2500)))
        assert len(seen) == 1
