"""The stores that the tests of this folder share. Knows no test."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from blocks.local_store import LocalStore
from blocks.s3_store import S3Store
from blocks.store import Store
from configs.stores import S3Location, S3Options
from tests.servers import S3Server

KINDS = ("local", "moto", "rclone")


@pytest.fixture(scope="session")
def moto_bucket(moto_server: S3Server) -> tuple[S3Server, str]:
    """moto and a bucket in it; tests keep apart by their prefixes."""
    return moto_server, moto_server.new_bucket()


@pytest.fixture(scope="session")
def rclone_bucket(rclone_server: S3Server) -> tuple[S3Server, str]:
    """rclone and a bucket in it; tests keep apart by their prefixes."""
    return rclone_server, rclone_server.new_bucket()


@pytest.fixture
def open_kind(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Store]:
    """Opens an empty store of a kind: local, moto or rclone."""

    def open_one(kind: str) -> Store:
        if kind == "local":
            return LocalStore(tmp_path / "root")
        server, bucket = request.getfixturevalue(f"{kind}_bucket")
        options = S3Options(endpoint_url=server.endpoint, max_attempts=2, read_timeout=30)
        return S3Store(S3Location(bucket, f"测试/{uuid.uuid4().hex}"), options, server.credentials())

    return open_one


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, open_kind: Callable[[str], Store]) -> Store:
    """An empty store, of every kind in turn."""
    return open_kind(request.param)


@pytest.fixture
def local(tmp_path: Path) -> LocalStore:
    """An empty store in a directory that does not exist yet."""
    return LocalStore(tmp_path / "root")


@pytest.fixture
def root(local: LocalStore) -> Path:
    """The directory of `local`, made."""
    folder = Path(local.uri)
    folder.mkdir()
    return folder
