"""Where a store is and how to reach it: store URIs, key rules, S3 options. Knows no client and touches nothing."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

MAX_PART_BYTES = 255
MAX_KEY_BYTES = 1024
TEMPORARY_PREFIX = ".fieldcheck-tmp-"
REGION = r"^[A-Za-z0-9-]{1,64}$"
BLOCK_NAME = r"^[a-z0-9][a-z0-9-]*$"
BlockName = Annotated[str, Field(pattern=BLOCK_NAME, max_length=200)]

# Two letters at least, so that a drive letter is not a scheme.
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):/(/?)")
_BUCKET = re.compile(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")


@dataclass(frozen=True, slots=True)
class LocalLocation:
    """A directory of this machine, as it was written: relative and `~` paths are not resolved yet."""

    path: str


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket and a prefix in it; the prefix has no slash at either end and may be empty."""

    bucket: str
    prefix: str = ""

    @property
    def uri(self) -> str:
        """`s3://bucket/prefix`, without a trailing slash."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


@dataclass(frozen=True, slots=True)
class BlockLocation:
    """A saved `PublishTarget` block, which holds the real location."""

    name: str


StoreLocation = LocalLocation | S3Location | BlockLocation


class S3Options(BaseModel):
    """How to reach an S3 store. Holds no secret: those are in the credentials block or boto3's own chain."""

    # A rejected endpoint may carry a password, so validation errors do not repeat the input.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    endpoint_url: str | None = Field(
        default=None,
        max_length=2048,
        description="URL of an S3-compatible server, http or https; leave empty for AWS.",
    )
    region: str | None = Field(
        default=None,
        pattern=REGION,
        description="Region of the bucket; empty takes the credentials' or the environment's.",
    )
    path_style: bool | None = Field(
        default=None,
        description="Put the bucket in the path, not in the host name; empty decides: yes when there is an endpoint.",
    )
    credentials_block: BlockName | None = Field(
        default=None,
        description="Name of a saved AWS Credentials block; empty uses boto3's chain (environment, profile, role).",
    )
    connect_timeout: float = Field(
        default=5.0, gt=0, le=300, description="Seconds to wait for a connection, for each attempt."
    )
    read_timeout: float = Field(
        default=60.0, gt=0, le=3600, description="Seconds to wait for the next bytes of an answer, for each attempt."
    )
    max_attempts: int = Field(
        default=2,
        ge=1,
        le=20,
        description="Quick attempts that the S3 client makes for one request, the first one included; as often is an "
        "object read that came damaged.",
    )
    deadline: float = Field(
        default=300.0,
        gt=0,
        le=86_400,
        description="Seconds during which an operation that fails in a passing way (a time-out, a reset, a 5xx) is "
        "tried again, with growing waits; each page of a listing, part of an upload and stall of a read counts by "
        "itself. An attempt under way is not interrupted: connect_timeout and read_timeout bound it.",
    )

    @field_validator("endpoint_url")
    @classmethod
    def _check_endpoint(cls, value: str | None) -> str | None:
        return None if value is None else checked_endpoint(value)


def parse_store_uri(uri: str) -> StoreLocation:
    """What a store URI names: a local path or `file:///dir`, `s3://bucket/prefix`, or `block://name`.

    Raises ValueError that says what is wrong with the URI and what to write instead.
    """
    if not uri.strip():
        raise ValueError("a store URI is empty: give a directory or s3://bucket/prefix")
    _refuse_unprintable(uri, "a store URI")
    match = _SCHEME.match(uri)
    if match is None:
        if re.match(r"^(s3|file|block):", uri, re.IGNORECASE):
            raise ValueError(
                f"{uri!r} has no // after the scheme: write s3://bucket/prefix, file:///dir or block://name"
            )
        return LocalLocation(uri)
    scheme, rest = match[1].lower(), uri[match.end() :]
    if not match[2] and not (scheme == "file" and rest):
        raise ValueError(f"{uri!r} has one slash after the scheme: write {scheme}://..., or ./{uri} for a local path")
    if scheme == "file":
        return _parse_file(uri, rest if match[2] else f"/{rest}")
    if scheme == "s3":
        return _parse_s3(rest)
    if scheme == "block":
        if not re.match(BLOCK_NAME, rest):
            raise ValueError("a block URI is block://name, with lower-case letters, digits and dashes in the name")
        return BlockLocation(rest)
    raise ValueError(
        f"a store cannot be at {scheme}://: give a directory, file:///dir, s3://bucket/prefix or block://name"
    )


def key_fault(key: str) -> str | None:
    """What is wrong with an object key (or a prefix), or None.

    A key is relative, `/`-separated, UTF-8 of at most 1024 bytes; no part is empty, `.`, `..`, longer than
    255 bytes, has a control character, or starts like the store's own temporary files.
    """
    if not key:
        return "it is empty"
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "it is not valid UTF-8"
    if size > MAX_KEY_BYTES:
        return f"it has {size} bytes and may have {MAX_KEY_BYTES}"
    if any(unicodedata.category(letter) == "Cc" for letter in key):
        return "it has a control character"
    for part in key.split("/"):
        if not part:
            return "it has an empty part (a slash at an end, or two in a row)"
        if part in (".", ".."):
            return f"it has the part {part!r}"
        if len(part.encode()) > MAX_PART_BYTES:
            return f"its part {part[:20]!r}... has more than {MAX_PART_BYTES} bytes"
        if part.startswith(TEMPORARY_PREFIX):
            return f"its part {part!r} looks like a temporary file of the store"
    return None


def checked_endpoint(value: str) -> str:
    """The URL of an S3 server without a trailing slash. Raises ValueError, which never repeats a password."""
    # urlsplit drops tabs and line ends silently, so they are looked for before.
    strange = any(letter.isspace() or not letter.isprintable() for letter in value)
    parts = urlsplit(value)
    if strange or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("endpoint_url must be http://host:port or https://host:port")
    if "@" in parts.netloc:
        raise ValueError("endpoint_url holds credentials: keep them in a credentials block")
    if parts.query or parts.fragment:
        raise ValueError("endpoint_url must have no query and no fragment")
    try:
        _ = parts.port
    except ValueError as error:
        raise ValueError("the port of endpoint_url is not a number from 0 to 65535") from error
    return value.rstrip("/")


def _parse_file(uri: str, rest: str) -> LocalLocation:
    host, slash, path = rest.partition("/")
    if host not in ("", "localhost") or not slash:
        raise ValueError(f"{uri!r} names a host: write file:///dir with three slashes")
    try:
        decoded = "/" + unquote(path, errors="strict")
    except UnicodeDecodeError as error:
        raise ValueError(f"the path of a file URI is not percent-encoded UTF-8: {path[:80]!r}") from error
    _refuse_unprintable(decoded, "the path of a file URI")
    return LocalLocation(decoded)


def _parse_s3(rest: str) -> S3Location:
    bucket, _, prefix = rest.partition("/")
    if not bucket:
        raise ValueError("an S3 URI names no bucket: write s3://bucket/prefix")
    if "@" in bucket:
        # The part before the @ may be a secret: it is not repeated.
        raise ValueError("an S3 URI holds credentials: keep them in a credentials block, and write s3://bucket/prefix")
    if ":" in bucket:
        raise ValueError("an S3 URI names a host and port: set them as endpoint_url, and write s3://bucket/prefix")
    if not _BUCKET.match(bucket) or ".." in bucket or _is_address(bucket):
        raise ValueError(
            f"{bucket!r} is not a bucket name: 3 to 63 lower-case letters, digits, dots and dashes, no IP address"
        )
    prefix = prefix.rstrip("/")
    if prefix and (fault := key_fault(prefix)):
        raise ValueError(f"the prefix {prefix[:80]!r} of an S3 URI cannot be used: {fault}")
    return S3Location(bucket, prefix)


def _refuse_unprintable(text: str, name: str) -> None:
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        raise ValueError(f"{name} has a control character or is not valid UTF-8: {text[:80]!r}")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
