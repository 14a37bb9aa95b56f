"""Drops uploads in parts that nobody goes on with: they are never seen, but they are paid for. Knows no store."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore import exceptions as aws

from blocks.errors import ObjectMissing
from blocks.s3_errors import code_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListMultipartUploadsOutputTypeDef


def sweep(
    ask: Callable[[str | None, Callable[[S3Client], Any]], Any], bucket: str, prefix: str, older_than: float
) -> int:
    """Drop the uploads under a full prefix that began more than so many seconds ago, by the server's clock; how many.

    `ask` makes one request, with the retries and errors of a store. A server that does not tell the time keeps them.
    """
    swept = 0
    after: dict[str, str] = {}
    while True:

        def page(client: S3Client, after: dict[str, str] = after) -> ListMultipartUploadsOutputTypeDef:
            return client.list_multipart_uploads(Bucket=bucket, Prefix=prefix, **after)  # type: ignore[arg-type]

        answer: ListMultipartUploadsOutputTypeDef | None = ask(None, partial(_unless_none, page))
        if answer is None:
            return swept
        try:
            now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        except (KeyError, ValueError):
            return swept
        for upload in answer.get("Uploads", []):
            if (now - upload["Initiated"]).total_seconds() > older_than:
                # Gone already is what we want.
                with contextlib.suppress(ObjectMissing):
                    ask(None, partial(_drop, bucket, upload["Key"], upload["UploadId"]))
                swept += 1
        if not answer.get("IsTruncated"):
            return swept
        after = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer.get("NextUploadIdMarker", "")}


def _unless_none(
    page: Callable[[S3Client], ListMultipartUploadsOutputTypeDef], client: S3Client
) -> ListMultipartUploadsOutputTypeDef | None:
    """A page, or None from a server that calls it an error if nothing was ever uploaded in parts, as rclone does."""
    try:
        return page(client)
    except aws.ClientError as error:
        if code_of(error) == "NoSuchUpload":
            return None
        raise


def _drop(bucket: str, key: str, upload: str, client: S3Client) -> None:
    client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
