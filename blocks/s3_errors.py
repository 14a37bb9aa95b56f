"""Turns the errors of botocore, boto3 and urllib3 into store errors, by class and code. Knows no client and no key."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import boto3.exceptions
import botocore.exceptions as aws
import botocore.parsers
import urllib3.exceptions

from blocks.errors import BadKey, ObjectCorrupt, ObjectMissing, StoreDenied, StoreError, StoreFull, StoreUnavailable


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request went: the endpoint, the bucket, the URI of the object, or of the whole store with no key."""

    endpoint: str
    bucket: str
    uri: str
    key: str | None = None

    def __str__(self) -> str:
        return f"bucket {self.bucket!r} at {self.endpoint}"


_Answer = tuple[type[StoreError], str, str]  # the leaf, what happened, the cure

_CREDENTIALS = "check the credentials block, or boto3's environment, profile or role"
_LATER = "try again; if it lasts, look at the server"
_POLICY = "check the credentials block and the policy of the bucket"
_QUOTA = "free space, or raise the quota of the bucket or the account"

_NO_BUCKET: _Answer = (ObjectMissing, "there is no such bucket", "create the bucket, or correct the URI")
_NO_OBJECT: _Answer = (ObjectMissing, "there is no such object", "check the key")
_DENIED: _Answer = (StoreDenied, "the server refused access", _POLICY)
_UNKNOWN_KEY: _Answer = (StoreDenied, "the server does not accept the credentials", _CREDENTIALS)
_BUSY: _Answer = (StoreUnavailable, "the server asks us to slow down", "try again later, or with fewer shards at once")
_FAILED: _Answer = (StoreUnavailable, "the server failed", _LATER)
_NO_SPACE: _Answer = (StoreFull, "the store has no room for it", _QUOTA)
_DAMAGED: _Answer = (ObjectCorrupt, "the bytes were damaged on the way", "write the object again")
_ELSEWHERE: _Answer = (StoreDenied, "the bucket is in another region", "set the region of the bucket in the S3 options")
_CLOCK: _Answer = (StoreDenied, "the clocks of server and client differ", "set the clock of this machine")
_PATH_REFUSED: _Answer = (
    StoreDenied,
    "the server wants the bucket in the host name, not in the path",
    "set path_style to false in the S3 options (--no-s3.path-style, or FIELDCHECK_S3__PATH_STYLE=false)",
)
_AWAY: _Answer = (StoreUnavailable, "no connection to the server", "check endpoint_url, the network and that it is up")

# Codes of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and those that other servers add.
_CODES: dict[str, _Answer] = {
    **dict.fromkeys(("NoSuchBucket", "NoSuchAccessPoint"), _NO_BUCKET),
    **dict.fromkeys(("NoSuchKey", "NoSuchVersion", "NotFound", "NoSuchUpload"), _NO_OBJECT),
    **dict.fromkeys(
        ("AccessDenied", "AccountProblem", "AllAccessDisabled", "Forbidden", "AccessForbidden", "InvalidObjectState"),
        _DENIED,
    ),
    **dict.fromkeys(
        (
            "ExpiredToken",
            "InvalidAccessKeyId",
            "InvalidSecurity",
            "InvalidToken",
            "NotSignedUp",
            "SignatureDoesNotMatch",
            "TokenRefreshRequired",
            "Unauthorized",
            "UnauthorizedAccess",
        ),
        _UNKNOWN_KEY,
    ),
    **dict.fromkeys(("RequestTimeTooSkewed", "RequestExpired"), _CLOCK),
    **dict.fromkeys(
        (
            "BandwidthLimitExceeded",
            "LimitExceededException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "SlowDown",
            "SlowDownRead",
            "SlowDownWrite",
            "Throttling",
            "ThrottlingException",
            "TooManyRequests",
            "TooManyRequestsException",
        ),
        _BUSY,
    ),
    **dict.fromkeys(
        (
            "ConditionalRequestConflict",
            "IncompleteBody",
            "InternalError",
            "InternalFailure",
            "OperationAborted",
            "RequestTimeout",
            "RequestTimeoutException",
            "ServerNotInitialized",
            "ServiceUnavailable",
        ),
        _FAILED,
    ),
    **dict.fromkeys(
        (
            "EntityTooLarge",
            "InsufficientCapacity",
            "InsufficientStorage",
            "MaxMessageLengthExceeded",
            "QuotaExceeded",
            "XMinioAdminBucketQuotaExceeded",
            "XMinioStorageFull",
        ),
        _NO_SPACE,
    ),
    **dict.fromkeys(
        ("BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"),
        _DAMAGED,
    ),
    **dict.fromkeys(
        ("AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect", "Redirect"),
        _ELSEWHERE,
    ),
    # Aliyun OSS, Tencent COS, Huawei OBS and Volcengine TOS, in this order.
    **dict.fromkeys(
        ("SecondLevelDomainForbidden", "PathStyleDomainForbidden", "VirtualHostDomainRequired", "InvalidPathAccess"),
        _PATH_REFUSED,
    ),
    "KeyTooLongError": (BadKey, "the server finds the key too long", "shorten the key or the prefix"),
    "InvalidBucketName": (StoreDenied, "the server does not take that bucket name", "correct the URI"),
}
_STATUSES: dict[int, _Answer] = {
    301: _ELSEWHERE,
    307: _ELSEWHERE,
    401: _UNKNOWN_KEY,
    403: _DENIED,
    404: _NO_OBJECT,
    408: _FAILED,
    409: _FAILED,
    413: _NO_SPACE,
    425: _BUSY,
    429: _BUSY,
    507: _NO_SPACE,
}
# The first class that fits counts, so what is special comes before what is general.
_CLASSES: tuple[tuple[tuple[type[Exception], ...], _Answer], ...] = (
    (
        (aws.NoCredentialsError, aws.PartialCredentialsError, aws.CredentialRetrievalError, aws.NoAuthTokenError),
        (StoreDenied, "there are no complete credentials", _CREDENTIALS),
    ),
    (
        (
            aws.ConfigNotFound,
            aws.ConfigParseError,
            aws.InvalidConfigError,
            aws.LoginError,
            aws.ProfileNotFound,
            aws.SSOError,
            aws.TokenRetrievalError,
            aws.UnknownCredentialError,
        ),
        (StoreDenied, "the AWS profile or login cannot be used", _CREDENTIALS),
    ),
    (
        (aws.NoRegionError, aws.InvalidRegionError, aws.EndpointProviderError, aws.BaseEndpointResolverError),
        (StoreDenied, "the region and endpoint do not fit together", "set region and endpoint_url in the S3 options"),
    ),
    ((aws.ConnectTimeoutError, aws.EndpointConnectionError, aws.ProxyConnectionError), _AWAY),
    (
        (aws.ReadTimeoutError, urllib3.exceptions.TimeoutError, TimeoutError),
        (StoreUnavailable, "the server did not answer in time", "try again, or raise read_timeout"),
    ),
    (
        (
            aws.ConnectionClosedError,
            aws.ConnectionError,
            aws.HTTPClientError,
            aws.IncompleteReadError,
            aws.ResponseStreamingError,
            http.client.HTTPException,
            urllib3.exceptions.HTTPError,
            OSError,
        ),
        (StoreUnavailable, "the connection broke", _LATER),
    ),
    (
        (aws.FlexibleChecksumError, aws.ChecksumError),
        (ObjectCorrupt, "the bytes that came do not have the promised checksum", "read again; else restore the object"),
    ),
    (
        (botocore.parsers.ResponseParserError, aws.PaginationError),
        (StoreUnavailable, "the answer is not one of an S3 server", "check that endpoint_url is an S3 endpoint"),
    ),
    ((aws.MetadataRetrievalError,), (StoreUnavailable, "the machine's role gave no credentials", _CREDENTIALS)),
    (
        (aws.BotoCoreError, boto3.exceptions.Boto3Error),
        (StoreDenied, "the S3 client refused the request", "check the S3 options and the credentials block"),
    ),
)
_TRANSLATED = (
    aws.BotoCoreError,
    aws.ClientError,
    boto3.exceptions.Boto3Error,
    botocore.parsers.ResponseParserError,
    http.client.HTTPException,
    urllib3.exceptions.HTTPError,
    OSError,
)


def translate(error: Exception, place: Place) -> StoreError:
    """The store error that an error of the S3 client stands for; never looks at message text."""
    if isinstance(error, aws.ClientError):
        code, status = code_of(error), status_of(error)
        leaf, what, cure = _answer(code, status)
        if leaf is ObjectMissing and place.key is None:
            leaf, what, cure = _NO_BUCKET
        detail = f"{code}, HTTP {status}" if status and code != str(status) else code
    elif _is_certificate(error):
        leaf, what = StoreDenied, "the server's certificate is not trusted"
        cure, detail = "set AWS_CA_BUNDLE or the credentials block's certificate path", type(error).__name__
    else:
        leaf, what, cure = next(
            (answer for classes, answer in _CLASSES if isinstance(error, classes)),
            (StoreDenied, "the S3 client failed", "look at the cause below"),
        )
        detail = type(error).__name__
    return leaf(f"{what} ({detail}): {place}: {cure}", uri=place.uri)


@contextmanager
def translated(place: Place) -> Iterator[None]:
    """Raise the store error in place of any error of the S3 client in the block."""
    try:
        yield
    except _TRANSLATED as error:
        raise translate(error, place) from error


def code_of(error: aws.ClientError) -> str:
    """The server's error code; for an answer without a body the HTTP status as text."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: aws.ClientError) -> int:
    """The HTTP status of the answer, 0 when unknown. Codes such as "404" count where the status is not given."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = code_of(error)
    return status or (int(code) if code.isdecimal() else 0)


def _answer(code: str, status: int) -> _Answer:
    if code in _CODES:
        return _CODES[code]
    if status in _STATUSES:
        return _STATUSES[status]
    if status >= 500 and status not in (501, 505):
        return _FAILED
    return StoreDenied, "the server refused the request", "check the S3 options; the server may lack this feature"


def _is_certificate(error: BaseException | None) -> bool:
    # botocore wraps urllib3, which wraps ssl: the reason is at the end of the chain.
    for _ in range(8):
        if error is None:
            return False
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
