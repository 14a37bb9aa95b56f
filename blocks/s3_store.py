"""A store in an S3 bucket, through boto3: checksums, parts, conditional writes. Knows keys and bytes only."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from botocore.exceptions import PaginationError
from prefect_aws import AwsCredentials

from blocks.errors import BadKey, ObjectCorrupt, ObjectExists, ObjectMissing, StoreDenied
from blocks.retrying import Retry, StoreRetry
from blocks.s3_client import endpoint_of, open_client
from blocks.s3_errors import Place, translated
from blocks.s3_stream import ObjectStream
from blocks.s3_sweep import sweep
from blocks.s3_upload import Upload
from blocks.store import ObjectInfo, check_key, check_prefix
from configs.stores import MAX_KEY_BYTES, S3Location, S3Options

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef

_T = TypeVar("_T")


class S3Store:
    """Objects under `location` in a bucket.

    Every put carries a SHA-256 that the server checks. `replace=False` asks the server to refuse (`If-None-Match`);
    one that ignores the question may let two racing writers both win, and the object stays whole all the same.
    The client is made by the first call, from the credentials block or boto3's chain; threads may share it.

    What fails in a passing way is tried again until the deadline of the options (or as `retry` says), and then raises
    StoreGivenUp. A listing comes `page` objects at a time.
    """

    def __init__(
        self,
        location: S3Location,
        options: S3Options | None = None,
        credentials: AwsCredentials | None = None,
        *,
        retry: Retry | None = None,
        page: int = 1000,
    ) -> None:
        self._location = location
        self._options = options or S3Options()
        self._credentials = credentials or AwsCredentials()
        self._retry = StoreRetry(retry or Retry(self._options.deadline), "check the server, or raise s3.deadline")
        self._page = page

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

        Raises ObjectMissing (no bucket), StoreDenied, StoreGivenUp.
        """
        bucket, prefix = self._location.bucket, self._full_prefix("")
        self._ask(None, lambda client: client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1))
        if write:
            key = f"{prefix}.fieldcheck-write-check"
            upload = self._ask(None, lambda client: client.create_multipart_upload(Bucket=bucket, Key=key))["UploadId"]
            # Gone already is what we want: the answer to the first try may have been lost.
            with contextlib.suppress(ObjectMissing):
                self._ask(None, lambda client: client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload))

    def stat(self, key: str) -> ObjectInfo | None:
        """Size of an object, or None if there is none. Raises StoreDenied, StoreGivenUp, BadKey."""
        bucket, full = self._location.bucket, self._full_key(key)
        try:
            head = self._ask(key, lambda client: client.head_object(Bucket=bucket, Key=full))
        except ObjectMissing:
            return None
        return ObjectInfo(key, head["ContentLength"], _seconds(head.get("LastModified")))

    def read(self, key: str) -> bytes:
        """The whole object. Raises ObjectMissing, ObjectCorrupt, StoreDenied, StoreGivenUp, BadKey."""
        for left in reversed(range(self._options.max_attempts)):
            with self.open(key) as stream:
                # What came damaged may be stored so: a few times more, not until the deadline.
                try:
                    return stream.read()
                except ObjectCorrupt:
                    if not left:
                        raise
        raise AssertionError("unreachable")

    def open(self, key: str) -> BinaryIO:
        """The object as a binary stream that cannot seek; close it. Its reads raise what `read` raises.

        When the connection breaks the stream goes on where it was. ObjectCorrupt also means that the object was
        replaced before it could.
        """
        bucket, full = self._location.bucket, self._full_key(key)
        stream = ObjectStream(
            lambda rest: self._client.get_object(Bucket=bucket, Key=full, **rest), self._place(key), self._retry
        )
        return cast(BinaryIO, io.BufferedReader(stream, 1 << 20))

    def write(self, key: str, data: bytes, *, replace: bool = True) -> ObjectInfo:
        """Store `data` under `key`, atomically. Raises ObjectExists, StoreFull, StoreDenied, StoreGivenUp, BadKey.

        After a lost answer we ask again, so ObjectExists can also mean that our own first try arrived.
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
        client = self._ask(key, lambda client: client)
        Upload(client, self._location.bucket, full, place, self._retry).send(source, size, replace=replace)
        return ObjectInfo(key, size)

    def swap(self, key: str, data: bytes, before: bytes | None) -> None:
        """Store small `data` if the object is still exactly `before`; a server that ignores conditions is not asked
        whether that changed in the moment between. Raises ObjectExists, and as `write` does."""
        for left in (True, False):
            found = self._tagged(key)
            if found is not None and found[1] == data:
                return
            try:
                if (found and found[1]) != before:
                    raise ObjectExists(
                        "the object is not what it was any more: another process wrote it", uri=self.uri_of(key)
                    )
                if found is None:
                    self.write(key, data, replace=False)
                else:
                    client = self._ask(key, lambda client: client)
                    full = self._full_key(key)
                    Upload(client, self._location.bucket, full, self._place(key), self._retry).swap(data, found[0])
                return
            except ObjectExists:
                if not left:
                    raise  # what is there was looked at once more: it is not our own first try

    def sweep(self, prefix: str, older_than: float) -> int:
        """Drop uploads in parts that killed writers left under `prefix`. Raises StoreDenied, StoreGivenUp."""
        return sweep(self._ask, self._location.bucket, self._full_prefix(prefix), older_than)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every object under `prefix`, a page at a time. While iterating raises ObjectMissing (no bucket),
        StoreDenied, StoreGivenUp."""
        full, own = self._full_prefix(prefix), len(self._full_prefix(""))
        return (
            ObjectInfo(item["Key"][own:], item["Size"], _seconds(item.get("LastModified")))
            for page in self._pages(full, delimiter="")
            for item in page.get("Contents", [])
            # Consoles mark a "folder" by an empty object with a slash at its end: no object of ours.
            if item["Size"] or not item["Key"].endswith("/")
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
        """Remove an object; no error if it is not there. Raises StoreDenied, StoreGivenUp, BadKey."""
        bucket, full = self._location.bucket, self._full_key(key)
        with contextlib.suppress(ObjectMissing):
            self._ask(key, lambda client: client.delete_object(Bucket=bucket, Key=full))

    def _tagged(self, key: str) -> tuple[str, bytes] | None:
        """ETag and bytes of a small object, or None."""
        bucket, full = self._location.bucket, self._full_key(key)

        def get(client: S3Client) -> tuple[str, bytes]:
            answer = client.get_object(Bucket=bucket, Key=full)
            return answer["ETag"], answer["Body"].read()

        try:
            return self._ask(key, get)
        except ObjectMissing:
            return None

    def _ask(self, key: str | None, request: Callable[[S3Client], _T]) -> _T:
        place = self._place(key)

        def once() -> _T:
            with translated(place):
                return request(self._client)

        return self._retry.call(once)

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
        # boto3's paginator cannot ask for a page again that failed.
        token: str | None = None
        while True:
            page = self._ask(None, partial(self._one_page, prefix, delimiter, token))
            yield page
            token = page.get("NextContinuationToken")
            if not page.get("IsTruncated"):
                return

    def _one_page(self, prefix: str, delimiter: str, token: str | None, client: S3Client) -> ListObjectsV2OutputTypeDef:
        after: dict[str, Any] = {} if token is None else {"ContinuationToken": token}
        page = client.list_objects_v2(
            Bucket=self._location.bucket, Prefix=prefix, Delimiter=delimiter, MaxKeys=self._page, **after
        )
        if page.get("IsTruncated") and page.get("NextContinuationToken") in (None, token):
            # A listing that ends too early would leave photos out without a word.
            raise PaginationError(message="the page is not the last one and names no next one")
        return page


def _seconds(moment: datetime | None) -> float:
    return 0.0 if moment is None else moment.timestamp()
