"""Opening the store that a URI or a saved block names."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from blocks.errors import ObjectMissing, StoreUnavailable
from blocks.local_store import LocalStore
from blocks.publish_target import PublishTarget
from blocks.s3_store import S3Store
from blocks.stores import open_store
from configs.errors import ConfigError
from configs.stores import S3Options
from tests.servers import S3Server, free_port


def test_a_directory(tmp_path: Path) -> None:
    for uri in (str(tmp_path / "a b"), f"file://{tmp_path}/a%20b"):
        store = open_store(uri)
        assert isinstance(store, LocalStore)
        assert store.uri == str(tmp_path / "a b")
    with pytest.raises(ObjectMissing):
        store.write("x/y", b"1")
    assert not (tmp_path / "a b").exists()
    store.check(write=True)
    store.write("x/y", b"1")
    assert (tmp_path / "a b/x/y").read_bytes() == b"1"


def test_a_bucket() -> None:
    store = open_store("s3://bucket/a/b/", S3Options(endpoint_url="http://127.0.0.1:1"))
    assert isinstance(store, S3Store)
    assert store.uri == "s3://bucket/a/b"


@pytest.mark.parametrize("uri", ["", "s3://", "gs://bucket", "s3:/x", "a\x00"])
def test_bad_uris(uri: str) -> None:
    with pytest.raises(ConfigError, match="store URI"):
        open_store(uri)


def test_saved_credentials(rclone_bucket: tuple[S3Server, str], prefect_harness: str) -> None:
    server, bucket = rclone_bucket
    name = f"rclone-{uuid.uuid4().hex}"
    server.credentials().save(name)
    options = S3Options(endpoint_url=server.endpoint, credentials_block=name)
    store = open_store(f"s3://{bucket}/{name}", options)
    store.write("a", b"x")
    assert [info.key for info in store.list()] == ["a"]


def test_a_saved_target(rclone_bucket: tuple[S3Server, str], prefect_harness: str) -> None:
    server, bucket = rclone_bucket
    name = f"target-{uuid.uuid4().hex}"
    target = PublishTarget(
        uri=f"s3://{bucket}/{name}", aws_credentials=server.credentials(), endpoint_url=server.endpoint
    )
    target.save(name)
    store = open_store(f"block://{name}")
    store.write("a", b"x")
    assert store.uri == f"s3://{bucket}/{name}"
    assert store.read("a") == b"x"


@pytest.mark.parametrize(
    ("uri", "options"), [("block://nobody", S3Options()), ("s3://bucket", S3Options(credentials_block="nobody"))]
)
def test_a_block_that_nobody_saved(uri: str, options: S3Options, prefect_harness: str) -> None:
    with pytest.raises(ConfigError, match=r"/nobody: is not saved.*save\('nobody'\)"):
        open_store(uri, options)


def test_no_prefect_server() -> None:
    settings = {PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(settings), pytest.raises(StoreUnavailable, match="PREFECT_API_URL"):
        open_store("block://any")
