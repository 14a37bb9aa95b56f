"""Sends one object to S3, whole or in parts, with checksums and on condition. Knows no store and no key rule."""

from __future__ import annotations

import contextlib
import hashlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from botocore.exceptions import ClientError

from blocks.errors import ObjectCorrupt, ObjectExists, ObjectMissing, StoreError
from blocks.retrying import StoreRetry
from blocks.s3_errors import Place, code_of, status_of, translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import (
        CompletedPartTypeDef,
        CompleteMultipartUploadOutputTypeDef,
        PutObjectOutputTypeDef,
        UploadPartOutputTypeDef,
    )

PART_BYTES = 16 << 20
MAX_PARTS = 10_000
_SENDINGS = 3  # of the whole object, when an upload in parts is gone
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Upload:
    """One object on its way: the client, the bucket, the full key in it, and its place for messages.

    Every request is an operation of its own for `retry`: an object of many parts would never arrive on a network that
    loses one request in ten, if one part that is given up cost the parts before it.
    """

    client: S3Client
    bucket: str
    key: str
    place: Place
    retry: StoreRetry

    def send(self, source: BinaryIO, size: int, *, replace: bool) -> None:
        """The next `size` bytes of `source`; above 16 MiB in parts, of which one is in memory at a time.

        Raises ObjectExists with replace=False, ObjectCorrupt when the server stored something else.
        """
        start = source.tell()
        for left in reversed(range(_SENDINGS)):
            source.seek(start)
            try:
                return self._send(source, size, replace=replace)
            except ObjectMissing as error:
                # An upload that was completed is gone, so asking again after a lost answer ends here. Nothing tells
                # our object from an older one of the same size, so all is sent again.
                if not left or not _is_gone(error):
                    raise
        raise AssertionError("unreachable")

    def swap(self, data: bytes, etag: str) -> None:
        """Small `data` in the place of the object with this ETag. Raises ObjectExists if the server has another one.

        After a lost answer we ask again, so ObjectExists can also mean that our own first try arrived.
        """
        digest = _digest(data)

        def put() -> PutObjectOutputTypeDef:
            try:
                return self._put_object(data, digest, {"IfMatch": etag})
            except ClientError as error:
                status = status_of(error)
                if status in (404, 412):
                    raise self._exists() from error
                if status != 501:
                    raise
                return self._put_object(data, digest, {})  # the server knows no conditions

        self._compare(digest, self._ask(put).get("ChecksumSHA256"))

    def _send(self, source: BinaryIO, size: int, *, replace: bool) -> None:
        # The only guard on a server that ignores If-None-Match; elsewhere it saves sending the bytes in vain.
        if not replace and self._ask(self._is_there):
            raise self._exists()
        if size > PART_BYTES:
            self._put_parts(source, size, replace=replace)
        else:
            self._put(_exactly(source, size, self.place.uri), replace=replace)

    def _ask(self, request: Callable[[], _T]) -> _T:
        def once() -> _T:
            with translated(self.place):
                return request()

        return self.retry.call(once)

    def _put(self, data: bytes, *, replace: bool) -> None:
        digest = _digest(data)

        def put(condition: dict[str, Any]) -> PutObjectOutputTypeDef:
            return self._put_object(data, digest, condition)

        self._compare(digest, self._unless_there(put, replace=replace).get("ChecksumSHA256"))

    def _put_object(self, data: bytes, digest: str, condition: dict[str, Any]) -> PutObjectOutputTypeDef:
        # The digest goes as a header: a trailer of the body, boto3's own way over https, is not known everywhere.
        return self.client.put_object(
            Bucket=self.bucket,
            Key=self.key,
            Body=data,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=digest,
            **condition,
        )

    def _put_parts(self, source: BinaryIO, size: int, *, replace: bool) -> None:
        def create() -> str:
            return self.client.create_multipart_upload(Bucket=self.bucket, Key=self.key, ChecksumAlgorithm="SHA256")[
                "UploadId"
            ]

        upload_id = self._ask(create)
        try:
            pieces = enumerate(_pieces(source, size, self.place.uri), start=1)
            parts = [self._put_part(upload_id, number, data) for number, data in pieces]
            self._complete(upload_id, parts, replace=replace)
        except BaseException:
            # Also when we are interrupted: parts that nobody drops are never seen, but they are paid for.
            with contextlib.suppress(StoreError), translated(self.place):
                self.client.abort_multipart_upload(Bucket=self.bucket, Key=self.key, UploadId=upload_id)
            raise

    def _put_part(self, upload_id: str, number: int, data: bytes) -> CompletedPartTypeDef:
        digest = _digest(data)

        def put() -> UploadPartOutputTypeDef:
            return self.client.upload_part(
                Bucket=self.bucket,
                Key=self.key,
                UploadId=upload_id,
                PartNumber=number,
                Body=data,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=digest,
            )

        answer = self._ask(put)
        self._compare(digest, answer.get("ChecksumSHA256"))
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": digest}

    def _complete(self, upload_id: str, parts: Sequence[CompletedPartTypeDef], *, replace: bool) -> None:
        def complete(condition: dict[str, Any]) -> CompleteMultipartUploadOutputTypeDef:
            return self.client.complete_multipart_upload(
                Bucket=self.bucket, Key=self.key, UploadId=upload_id, MultipartUpload={"Parts": parts}, **condition
            )

        theirs = self._unless_there(complete, replace=replace).get("ChecksumSHA256")
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html: the digest of
        # the parts' digests, then a dash and their number.
        digests = b"".join(b64decode(part["ChecksumSHA256"]) for part in parts)
        self._compare(_digest(digests), theirs and theirs.partition("-")[0])

    def _unless_there(self, request: Callable[[dict[str, Any]], _T], *, replace: bool) -> _T:
        """The answer to `request`, sent with the condition that nothing is there if nothing may be replaced."""

        def once() -> _T:
            if replace:
                return request({})
            try:
                return request({"IfNoneMatch": "*"})
            except ClientError as error:
                status = status_of(error)
                # 409 is a race that is not decided yet: the other write may still fail, then ours is worth a retry.
                if status == 412 or (status == 409 and self._is_there()):
                    raise self._exists() from error
                if status != 501:
                    raise
                return request({})  # the server knows no conditions; we looked before we sent

        return self._ask(once)

    def _is_there(self) -> bool:
        try:
            self.client.head_object(Bucket=self.bucket, Key=self.key)
        except ClientError as error:
            if status_of(error) == 404:
                return False
            raise
        return True

    def _exists(self) -> ObjectExists:
        return ObjectExists("the object is there already and must not be replaced", uri=self.place.uri)

    def _compare(self, ours: str, theirs: str | None) -> None:
        if theirs and theirs != ours:
            message = f"the server stored SHA-256 {theirs} and we sent {ours}: write the object again"
            raise ObjectCorrupt(message, uri=self.place.uri)


def _is_gone(error: ObjectMissing) -> bool:
    cause = error.__cause__
    return isinstance(cause, ClientError) and code_of(cause) == "NoSuchUpload"


def _digest(data: bytes) -> str:
    return b64encode(hashlib.sha256(data).digest()).decode()


def _pieces(source: BinaryIO, size: int, uri: str) -> Iterator[bytes]:
    step = max(PART_BYTES, -(-size // MAX_PARTS))
    for start in range(0, size, step):
        yield _exactly(source, min(step, size - start), uri)


def _exactly(source: BinaryIO, size: int, uri: str) -> bytes:
    data = source.read(size)
    if len(data) != size:
        raise ObjectCorrupt("the file became shorter while it was read: write it to its end first", uri=uri)
    return data
