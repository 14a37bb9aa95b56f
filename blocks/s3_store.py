"""A store in an S3 bucket, through boto3: checksums, parts, conditional writes. Knows keys and bytes only."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO, cast

from botocore.response import StreamingBody
from prefect_aws import AwsCredentials

from blocks.errors import BadKey, ObjectCorrupt, ObjectMissing, StoreDenied, StoreUnavailable
from blocks.keys import check_key, check_prefix
from blocks.s3_client import endpoint_of, open_client
from blocks.s3_errors import Place, translated
from blocks.s3_upload import Upload
from blocks.store import ObjectInfo
from configs.stores import MAX_KEY_BYTES, S3Location, S3Options

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef


class S3Store:
    """Objects under `location` in a bucket.

    Every put carries a SHA-256 that the server checks. `replace=False` asks the server to refuse (`If-None-Match`);
    one that ignores the question may let two racing writers both win, and the object stays whole all the same.
    The client is made by the first call, from the credentials block or boto3's chain; threads may share it.
    """

    def __init__(
        self, location: S3Location, options: S3Options | None = None, credentials: AwsCredentials | None = None
    ) -> None:
        self._location = location
        self._options = options or S3Options()
        self._credentials = credentials or AwsCredentials()

    def __repr__(self) -> str:
        return f"S3Store({self.uri!r})"

    @property
    def uri(self) -> str:
        """`s3://bucket/prefix`."""
        return self._location.uri

    def uri_of(self, key: str) -> str:
        """`s3://bucket/prefix/key`. Raises nothing: the key is not checked."""
        return f"{self.uri}/{key}"

    def check(self, *, write: bool = False) -> None:
        """List one object; with write=True also begin and drop an upload, which leaves nothing visible.

        Raises ObjectMissing (no bucket), StoreDenied, StoreUnavailable.
        """
        bucket, prefix = self._location.bucket, self._full_prefix("")
        with translated(self._place()):
            self._client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
            if write:
                key = f"{prefix}.fieldcheck-write-check"
                upload = self._client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
                self._client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)

    def stat(self, key: str) -> ObjectInfo | None:
        """Size of an object, or None if there is none. Raises StoreDenied, StoreUnavailable, BadKey."""
        full = self._full_key(key)
        try:
            with translated(self._place(key)):
                head = self._client.head_object(Bucket=self._location.bucket, Key=full)
        except ObjectMissing:
            return None
        return ObjectInfo(key, head["ContentLength"])

    def read(self, key: str) -> bytes:
        """The whole object. Raises ObjectMissing, ObjectCorrupt, StoreDenied, StoreUnavailable, BadKey."""
        for left in reversed(range(self._options.max_attempts)):
            with self.open(key) as stream:
                # botocore tries again until the answer begins; a body that breaks off or is damaged is left to us.
                try:
                    return stream.read()
                except (ObjectCorrupt, StoreUnavailable):
                    if not left:
                        raise
        raise AssertionError("unreachable")

    def open(self, key: str) -> BinaryIO:
        """The object as a binary stream that cannot seek; close it. Its reads raise store errors too."""
        full, place = self._full_key(key), self._place(key)
        with translated(place):
            body = self._client.get_object(Bucket=self._location.bucket, Key=full)["Body"]
        return cast(BinaryIO, io.BufferedReader(_Body(body, place), 1 << 20))

    def write(self, key: str, data: bytes, *, replace: bool = True) -> ObjectInfo:
        """Store `data` under `key`, atomically. Raises ObjectExists, StoreFull, StoreDenied, StoreUnavailable, BadKey.

        After a lost answer the client asks again, so ObjectExists can also mean that our own first try arrived.
        """
        return self.upload(key, io.BytesIO(data), replace=replace)

    def upload(self, key: str, source: BinaryIO, *, replace: bool = True) -> ObjectInfo:
        """Like write, from a seekable stream, from where it stands; above 16 MiB in parts.

        Holds one part in memory at a time. The stream's own errors pass unchanged.
        """
        full, place = self._full_key(key), self._place(key)
        start = source.tell()
        size = source.seek(0, os.SEEK_END) - start
        source.seek(start)
        with translated(place):
            client = self._client
        Upload(client, self._location.bucket, full, place).send(source, size, replace=replace)
        return ObjectInfo(key, size)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every object under `prefix`, a page of 1000 at a time. Raises ObjectMissing (no bucket) while iterating."""
        full, own = self._full_prefix(prefix), len(self._full_prefix(""))
        return (
            ObjectInfo(item["Key"][own:], item["Size"])
            for page in self._pages(full, delimiter="")
            for item in page.get("Contents", [])
            # Consoles mark a "folder" by an empty object with a slash at its end: no object of ours.
            if not item["Key"].endswith("/")
        )

    def folders(self, prefix: str = "") -> Iterator[str]:
        """Names of the direct sub-folders under `prefix`: those that hold an object."""
        full = self._full_prefix(prefix)
        names = (
            item["Prefix"][len(full) :].removesuffix("/")
            for page in self._pages(full, delimiter="/")
            for item in page.get("CommonPrefixes", [])
        )
        return (name for name in names if name)

    def delete(self, key: str) -> None:
        """Remove an object; no error if it is not there. Raises StoreDenied, StoreUnavailable, BadKey."""
        full = self._full_key(key)
        with contextlib.suppress(ObjectMissing), translated(self._place(key)):
            self._client.delete_object(Bucket=self._location.bucket, Key=full)

    @cached_property
    def _client(self) -> S3Client:
        # May ask for a role's credentials over the network, so it is only touched inside `translated`.
        try:
            return open_client(self._credentials, self._options)
        except ValueError as error:
            message = f"the endpoint is not a URL: {self._place()}: correct it in the credentials block"
            raise StoreDenied(message, uri=self.uri) from error

    def _place(self, key: str | None = None) -> Place:
        # One from the environment was not checked, and may carry a password.
        endpoint = re.sub(r"//[^/]*@", "//", endpoint_of(self._credentials, self._options) or "AWS")
        return Place(endpoint, self._location.bucket, self.uri if key is None else self.uri_of(key), key)

    def _full_key(self, key: str) -> str:
        full = self._full_prefix("") + check_key(key, self.uri)
        if len(full.encode()) > MAX_KEY_BYTES:
            raise BadKey(f"prefix and key have more than {MAX_KEY_BYTES} bytes together: shorten one", uri=self.uri)
        return full

    def _full_prefix(self, prefix: str) -> str:
        parts = (self._location.prefix, check_prefix(prefix, self.uri))
        return "".join(f"{part}/" for part in parts if part)

    def _pages(self, prefix: str, delimiter: str) -> Iterator[ListObjectsV2OutputTypeDef]:
        place = self._place()
        with translated(place):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._location.bucket, Prefix=prefix, Delimiter=delimiter
            )
            iterator = iter(pages)
        while True:
            with translated(place):
                page = next(iterator, None)
            if page is None:
                return
            yield page


class _Body(io.RawIOBase):
    """The body of an answer as a raw stream that raises store errors."""

    def __init__(self, body: StreamingBody, place: Place) -> None:
        self._body = body
        self._place = place

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        with translated(self._place):
            data = self._body.read(len(view))
        view[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        with translated(self._place):
            return self._body.read()

    def close(self) -> None:
        if not self.closed:
            self._body.close()
        super().close()
