"""One object of a bucket as a stream that goes on where it broke off. Knows one object, no store and no key rule."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from blocks.errors import ObjectCorrupt, StoreUnavailable
from blocks.retrying import StoreRetry
from blocks.s3_errors import Place, status_of, translated

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

# A read that breaks off loses what it had got, so this is what comes twice at most.
_STEP_BYTES = 1 << 16


class ObjectStream(io.RawIOBase):
    """A raw stream of one object; it cannot seek. `get` asks for the object, with more arguments of get_object.

    When the body breaks off, the rest of the same version (ETag) is asked for, from the position reached. Every read
    is an operation of its own for `retry`, so that whoever gets on has the whole deadline again. Making the stream
    opens the object.

    Opening and reading raise store errors. ObjectCorrupt: the bytes do not have the checksum promised, or the object
    was replaced in the middle. That is no StoreUnavailable, because the first bytes of the old version are given out
    already: nothing helps but to read anew from the start.
    """

    def __init__(
        self, get: Callable[[dict[str, Any]], GetObjectOutputTypeDef], place: Place, retry: StoreRetry
    ) -> None:
        self._get = get
        self._place = place
        self._retry = retry
        self._position = 0
        self._version: str | None = None
        self._checksum: Any = None
        self._promised: str | None = None
        self._resumed = False
        self._body: StreamingBody | None = None
        retry.call(self._open)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._next(len(view)) if len(view) else b""
        view[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self._next(_STEP_BYTES), b""))

    def close(self) -> None:
        self._drop()
        super().close()

    def _next(self, size: int) -> bytes:
        return self._retry.call(lambda: self._read(min(size, _STEP_BYTES)))

    def _read(self, size: int) -> bytes:
        body = self._body or self._open()
        try:
            with translated(self._place):
                data = body.read(size)
        except StoreUnavailable:
            self._drop()
            raise
        self._position += len(data)
        if self._resumed and self._checksum is not None:
            self._check(data)
        return data

    def _open(self) -> StreamingBody:
        resumed = self._position > 0
        if resumed and self._version is None:
            raise self._stuck("the server gives no ETag to go on by")
        rest = {"Range": f"bytes={self._position}-", "IfMatch": self._version} if resumed else {}
        with translated(self._place):
            try:
                answer = self._get(rest)
            except ClientError as error:
                # 416 comes from a server that ignores If-Match, and whose new version is shorter.
                if resumed and status_of(error) in (412, 416):
                    raise self._stuck("the object was replaced meanwhile") from error
                raise
        body = answer["Body"]
        if not resumed:
            self._version = answer.get("ETag")
            self._promise(answer)
        elif answer.get("ETag") != self._version:
            body.close()
            raise self._stuck("the object was replaced meanwhile")
        elif not answer.get("ContentRange", "").startswith(f"bytes {self._position}-"):
            body.close()
            raise self._stuck("the server does not give a part of an object")
        self._body, self._resumed = body, resumed
        return body

    def _promise(self, answer: GetObjectOutputTypeDef) -> None:
        # The first body checks itself, and counts what it gave; where it broke off, its sum is carried on by us.
        algorithm = str(answer["ResponseMetadata"].get("ChecksumAlgorithm", ""))
        self._checksum = getattr(answer["Body"], "checksum", None)
        self._promised = str(answer.get(f"Checksum{algorithm.upper()}", ""))

    def _check(self, data: bytes) -> None:
        self._checksum.update(data)
        if not data and self._checksum.b64digest() != self._promised:
            message = f"the bytes that came do not have the promised checksum {self._promised}: {self._place}"
            raise ObjectCorrupt(f"{message}: read again; else restore the object", uri=self._place.uri)

    def _stuck(self, why: str) -> ObjectCorrupt:
        message = f"the connection broke after {self._position} bytes, and {why}: {self._place}: read it again"
        return ObjectCorrupt(message, uri=self._place.uri)

    def _drop(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()
