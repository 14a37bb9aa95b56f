"""Store URIs and S3 options: what they mean, and what is refused with a helpful word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from configs.stores import (
    BlockLocation,
    LocalLocation,
    S3Location,
    S3Options,
    StoreLocation,
    key_fault,
    parse_store_uri,
)

REPOSITORY = Path(__file__).parents[2]

GOOD: list[tuple[str, StoreLocation]] = [
    ("/data/photos", LocalLocation("/data/photos")),
    ("relative/dir", LocalLocation("relative/dir")),
    ("./s3:/x", LocalLocation("./s3:/x")),
    ("~/数据", LocalLocation("~/数据")),
    ("a:b", LocalLocation("a:b")),
    ("file:///data/a%20b/%E6%95%B0", LocalLocation("/data/a b/数")),
    ("file://localhost/data", LocalLocation("/data")),
    ("file:/data", LocalLocation("/data")),
    ("FILE:///data", LocalLocation("/data")),
    ("s3://my-bucket", S3Location("my-bucket")),
    ("s3://my-bucket/", S3Location("my-bucket")),
    ("S3://my.bucket.9/a/b/", S3Location("my.bucket.9", "a/b")),
    ("s3://bucket/挡风板（安装）/a b%20?x=1#y", S3Location("bucket", "挡风板（安装）/a b%20?x=1#y")),
    ("block://production-2", BlockLocation("production-2")),
]
BAD = [
    ("", "empty"),
    ("  ", "empty"),
    ("s3:/x", "one slash"),
    ("gs:/x", "one slash"),
    ("s3:bucket", "no //"),
    ("file:data", "no //"),
    ("s3://", "no bucket"),
    ("s3:///prefix", "no bucket"),
    ("gs://bucket/x", "cannot be at gs://"),
    ("https://host/bucket", "cannot be at https://"),
    ("s3://Bucket", "not a bucket name"),
    ("s3://my_bucket", "not a bucket name"),
    ("s3://ab", "not a bucket name"),
    ("s3://" + "a" * 64, "not a bucket name"),
    ("s3://-abc", "not a bucket name"),
    ("s3://a..b", "not a bucket name"),
    ("s3://127.0.0.1/x", "not a bucket name"),
    ("s3://桶桶桶/x", "not a bucket name"),
    ("s3://host:9000/bucket", "endpoint_url"),
    ("s3://bucket/a//b", "empty part"),
    ("s3://bucket//a", "empty part"),
    ("s3://bucket/../a", "'..'"),
    ("s3://bucket/" + "x" * 256, "255"),
    ("s3://bucket/" + "/".join(["x" * 200] * 6), "1024"),
    ("a\x00b", "control character"),
    ("s3://bucket/a\nb", "control character"),
    ("/data/\udcff", "UTF-8"),
    ("file:///a%00b", "control character"),
    ("file:///a%ff", "UTF-8"),
    ("file://host/share", "three slashes"),
    ("file://data", "three slashes"),
    ("block://", "block://name"),
    ("block://Name", "block://name"),
    ("block://a/b", "block://name"),
]


@pytest.mark.parametrize(("uri", "location"), GOOD)
def test_good_uris(uri: str, location: StoreLocation) -> None:
    assert parse_store_uri(uri) == location


@pytest.mark.parametrize(("uri", "word"), BAD)
def test_bad_uris(uri: str, word: str) -> None:
    with pytest.raises(ValueError, match=word) as caught:
        parse_store_uri(uri)
    str(caught.value).encode()


@pytest.mark.parametrize(
    "uri", ["s3://AKIAKEY:hunter2@bucket/x", "s3://hunter2@bucket", "s3://key:hunter2@host:9000/b"]
)
def test_secrets_in_a_uri_are_not_repeated(uri: str) -> None:
    with pytest.raises(ValueError, match="credentials") as caught:
        parse_store_uri(uri)
    assert "hunter2" not in str(caught.value)


@given(st.one_of(st.text(), st.text().map(lambda rest: f"s3://{rest}"), st.text().map(lambda rest: f"file://{rest}")))
def test_any_text_is_a_location_or_a_value_error(text: str) -> None:
    try:
        location = parse_store_uri(text)
    except ValueError:
        return
    if isinstance(location, S3Location):
        assert not location.prefix or key_fault(location.prefix) is None
        assert parse_store_uri(location.uri) == location
    elif isinstance(location, LocalLocation):
        assert "\x00" not in location.path


def test_options_have_working_defaults() -> None:
    options = S3Options()
    assert not any((options.endpoint_url, options.region, options.path_style, options.credentials_block))
    assert S3Options(endpoint_url="https://s3.local:9000/").endpoint_url == "https://s3.local:9000"
    assert S3Options.model_validate(options.model_dump(mode="json")) == options
    with pytest.raises(ValidationError):
        options.region = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    "values",
    [
        {"endpoint_url": "127.0.0.1:9000"},
        {"endpoint_url": "ftp://host"},
        {"endpoint_url": "http://"},
        {"endpoint_url": "http://host:99999"},
        {"endpoint_url": "http://host/?a=b"},
        {"endpoint_url": "http://ho st"},
        {"endpoint_url": "http://host\n"},
        {"region": "eu west"},
        {"region": ""},
        {"credentials_block": "a/b"},
        {"connect_timeout": 0},
        {"connect_timeout": float("nan")},
        {"read_timeout": 3601},
        {"max_attempts": 0},
        {"max_attempts": 21},
        {"unknown": 1},
    ],
)
def test_bad_options(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        S3Options.model_validate(values)


def test_a_password_in_the_endpoint_is_not_repeated() -> None:
    with pytest.raises(ValidationError) as caught:
        S3Options(endpoint_url="http://user:hunter2@host")
    assert "hunter2" not in str(caught.value)
    assert "credentials block" in str(caught.value)


def test_every_option_is_described() -> None:
    assert all(field.description and field.description.endswith(".") for field in S3Options.model_fields.values())


@pytest.mark.parametrize(
    "module", ["configs.stores", "blocks.errors", "blocks.store", "blocks.local_store", "blocks.stores"]
)
def test_cheap_imports(module: str) -> None:
    program = f"import sys, {module}; sys.exit(bool({{'prefect', 'boto3', 'botocore'}} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=REPOSITORY)
