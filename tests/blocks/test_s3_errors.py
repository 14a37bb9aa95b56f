"""The errors of botocore, boto3 and urllib3 as store errors, each built from its real class."""

from __future__ import annotations

import http.client
import ssl
from typing import Any

import boto3.exceptions
import botocore.exceptions as aws
import botocore.parsers
import pytest
import urllib3.exceptions

from blocks.errors import (
    BadKey,
    ObjectCorrupt,
    ObjectMissing,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreUnavailable,
)
from blocks.s3_errors import Place, code_of, status_of, translate, translated
from tests.blocks import fake_s3

PLACE = Place("http://127.0.0.1:9000", "photos", "s3://photos/stage_a/x.jsonl", "stage_a/x.jsonl")
STORE = Place("http://127.0.0.1:9000", "photos", "s3://photos")
URL: dict[str, Any] = {"endpoint_url": "http://127.0.0.1:9000"}
# Nobody may read the server's words, so they always say something else than the code.
TRAP = "AccessDenied NoSuchKey SlowDown: secret-token"

CODES: list[tuple[str, int, type[StoreError]]] = [
    ("NoSuchKey", 404, ObjectMissing),
    ("NoSuchBucket", 404, ObjectMissing),
    ("404", 404, ObjectMissing),
    ("404", 0, ObjectMissing),
    ("AccessDenied", 403, StoreDenied),
    ("403", 403, StoreDenied),
    ("InvalidAccessKeyId", 403, StoreDenied),
    ("SignatureDoesNotMatch", 403, StoreDenied),
    ("ExpiredToken", 400, StoreDenied),
    ("RequestTimeTooSkewed", 403, StoreDenied),
    ("PermanentRedirect", 301, StoreDenied),
    ("AuthorizationHeaderMalformed", 400, StoreDenied),
    ("Unheard", 401, StoreDenied),
    ("Unheard", 400, StoreDenied),
    ("NotImplemented", 501, StoreDenied),
    ("SlowDown", 503, StoreUnavailable),
    ("Throttling", 400, StoreUnavailable),
    ("Unheard", 429, StoreUnavailable),
    ("RequestTimeout", 400, StoreUnavailable),
    ("InternalError", 500, StoreUnavailable),
    ("InternalError", 200, StoreUnavailable),
    ("ServiceUnavailable", 503, StoreUnavailable),
    ("500", 500, StoreUnavailable),
    ("Unheard", 502, StoreUnavailable),
    ("OperationAborted", 409, StoreUnavailable),
    ("InsufficientStorage", 507, StoreFull),
    ("Unheard", 507, StoreFull),
    ("EntityTooLarge", 400, StoreFull),
    ("QuotaExceeded", 403, StoreFull),
    ("XMinioStorageFull", 507, StoreFull),
    ("BadDigest", 400, ObjectCorrupt),
    ("KeyTooLongError", 400, BadKey),
]

CLASSES: list[tuple[Exception, type[StoreError]]] = [
    (aws.EndpointConnectionError(**URL), StoreUnavailable),
    (aws.ConnectTimeoutError(**URL), StoreUnavailable),
    (aws.ReadTimeoutError(**URL), StoreUnavailable),
    (aws.ConnectionClosedError(**URL), StoreUnavailable),
    (aws.ProxyConnectionError(proxy_url="http://127.0.0.1:1"), StoreUnavailable),
    (aws.SSLError(**URL, error=OSError("handshake")), StoreUnavailable),
    (aws.HTTPClientError(error="any"), StoreUnavailable),
    (aws.IncompleteReadError(actual_bytes=1, expected_bytes=2), StoreUnavailable),
    (aws.ResponseStreamingError(error="broken"), StoreUnavailable),
    (http.client.IncompleteRead(b"", 10), StoreUnavailable),
    (urllib3.exceptions.ProtocolError("reset"), StoreUnavailable),
    (urllib3.exceptions.ReadTimeoutError(None, "/", "slow"), StoreUnavailable),  # type: ignore[arg-type]
    (ConnectionResetError(104, "reset"), StoreUnavailable),
    (TimeoutError("slow"), StoreUnavailable),
    (botocore.parsers.ResponseParserError("not XML"), StoreUnavailable),
    (aws.PaginationError(message="the same token"), StoreUnavailable),
    (aws.MetadataRetrievalError(error_msg="no answer"), StoreUnavailable),
    (aws.NoCredentialsError(), StoreDenied),
    (aws.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), StoreDenied),
    (aws.CredentialRetrievalError(provider="process", error_msg="x"), StoreDenied),
    (aws.ProfileNotFound(profile="nobody"), StoreDenied),
    (aws.UnauthorizedSSOTokenError(), StoreDenied),
    (aws.NoRegionError(), StoreDenied),
    (aws.ParamValidationError(report="x"), StoreDenied),
    (boto3.exceptions.Boto3Error("x"), StoreDenied),
    (aws.FlexibleChecksumError(error_msg="x"), ObjectCorrupt),
]


def client_error(code: str, status: int) -> aws.ClientError:
    metadata: dict[str, Any] = {"HTTPStatusCode": status} if status else {}
    answer: dict[str, Any] = {"Error": {"Code": code, "Message": TRAP}, "ResponseMetadata": metadata}
    return aws.ClientError(answer, "PutObject")  # type: ignore[arg-type]


@pytest.mark.parametrize(("code", "status", "leaf"), CODES)
def test_codes(code: str, status: int, leaf: type[StoreError]) -> None:
    found = translate(client_error(code, status), PLACE)
    assert type(found) is leaf
    assert code_of(client_error(code, status)) == code
    _names_everything(found)


@pytest.mark.parametrize(("error", "leaf"), CLASSES, ids=lambda value: type(value).__name__)
def test_classes(error: Exception, leaf: type[StoreError]) -> None:
    with pytest.raises(StoreError) as caught, translated(PLACE):
        raise error
    assert type(caught.value) is leaf
    assert caught.value.__cause__ is error
    assert type(error).__name__ in str(caught.value)
    _names_everything(caught.value)


def _names_everything(found: StoreError) -> None:
    text = str(found)
    for part in ("http://127.0.0.1:9000", "'photos'", "[s3://photos/stage_a/x.jsonl]"):
        assert part in text
    assert "secret-token" not in text
    assert found.retryable == isinstance(found, StoreUnavailable)


def test_what_is_missing_has_its_own_cure() -> None:
    assert "check the key" in str(translate(client_error("NoSuchKey", 404), PLACE))
    assert "create the bucket" in str(translate(client_error("NoSuchBucket", 404), PLACE))
    # HEAD and foreign servers give no code; where the whole store was asked for, only the bucket can be missing.
    assert "create the bucket" in str(translate(client_error("404", 404), STORE))


@pytest.mark.parametrize(
    "code",
    ["SecondLevelDomainForbidden", "PathStyleDomainForbidden", "VirtualHostDomainRequired", "InvalidPathAccess"],
)
def test_a_server_that_refuses_the_bucket_in_the_path_is_told_with_the_setting(code: str) -> None:
    with fake_s3.fake_s3(lambda _: fake_s3.error(403, code)) as (store, _), pytest.raises(StoreDenied) as caught:
        store.check()
    assert "set path_style to false in the S3 options" in str(caught.value)
    assert "--no-s3.path-style" in str(caught.value)


def test_an_untrusted_certificate_is_not_worth_another_try() -> None:
    inner = urllib3.exceptions.SSLError(ssl.SSLCertVerificationError(1, "self-signed"))
    inner.__context__ = ssl.SSLCertVerificationError(1, "self-signed")
    outer = aws.SSLError(**URL, error=inner)
    outer.__context__ = inner
    found = translate(outer, PLACE)
    assert type(found) is StoreDenied
    assert "AWS_CA_BUNDLE" in str(found)


def test_statuses() -> None:
    assert status_of(client_error("404", 0)) == 404
    assert status_of(client_error("NoSuchKey", 404)) == 404
    assert status_of(client_error("Strange", 0)) == 0
    assert code_of(aws.ClientError({}, "GetObject")) == ""
    assert type(translate(aws.ClientError({}, "GetObject"), PLACE)) is StoreDenied


def test_our_own_and_foreign_errors_pass() -> None:
    for error in (StoreFull("full", uri="s3://b"), KeyError("x"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, translated(PLACE):
            raise error
        assert caught.value is error
