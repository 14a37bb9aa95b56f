"""The publish-target block: Prefect's own standards, what it refuses, and that it keeps secrets."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite
from pydantic import ValidationError

from blocks import publish_target
from blocks.local_store import LocalStore
from blocks.publish_target import PublishTarget
from blocks.s3_store import S3Store
from configs.stores import S3Options
from tests.servers import S3Server


class TestStandards(BlockStandardTestSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return PublishTarget

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        # The suite fetches a picture from the network; this block has none, so that no page asks a foreign host.
        assert block._logo_url is None

    def test_all_fields_have_a_title(self, block: type[Block]) -> None:
        assert all(field.title for field in block.model_fields.values())


def test_a_directory(tmp_path: Path) -> None:
    store = PublishTarget(uri=str(tmp_path)).get_store()
    assert isinstance(store, LocalStore)
    assert store.uri == str(tmp_path)


def test_a_bucket(moto_bucket: tuple[S3Server, str]) -> None:
    server, bucket = moto_bucket
    target = PublishTarget(
        uri=f"s3://{bucket}/{uuid.uuid4().hex}", aws_credentials=server.credentials(), endpoint_url=server.endpoint
    )
    store = target.get_store()
    assert isinstance(store, S3Store)
    store.write("挡风板/x.txt", b"x")
    assert store.read("挡风板/x.txt") == b"x"


@pytest.mark.parametrize(
    "values",
    [
        {"uri": "s3://"},
        {"uri": "gs://bucket"},
        {"uri": "block://other"},
        {"uri": "s3://bucket", "endpoint_url": "host:9000"},
        {"uri": "s3://bucket", "region": "a b"},
        {},
    ],
)
def test_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PublishTarget(**values)


def test_a_password_in_the_endpoint_is_not_repeated() -> None:
    with pytest.raises(ValidationError) as caught:
        PublishTarget(uri="s3://bucket", endpoint_url="http://user:hunter2@host")
    assert "hunter2" not in str(caught.value)


def test_options_fill_what_the_block_leaves_open(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[S3Options] = []
    monkeypatch.setattr(publish_target, "open_location", lambda _, options, __: seen.append(options))
    given = S3Options(endpoint_url="http://127.0.0.1:1", region="given", max_attempts=7, path_style=True)
    PublishTarget(uri="s3://bucket", region="own", path_style=False).get_store(given)
    assert seen == [S3Options(endpoint_url="http://127.0.0.1:1", region="own", max_attempts=7, path_style=False)]


def test_emptied_fields_of_the_form() -> None:
    target = PublishTarget(uri="s3://bucket", endpoint_url="", region="")
    assert target.endpoint_url is target.region is None


def test_saved_and_loaded(moto_bucket: tuple[S3Server, str], prefect_harness: str) -> None:
    server, bucket = moto_bucket
    name = f"target-{uuid.uuid4().hex}"
    PublishTarget(
        uri=f"s3://{bucket}/{name}",
        aws_credentials=server.credentials(),
        endpoint_url=server.endpoint,
        path_style=True,
    ).save(name)
    loaded = PublishTarget.load(name, _sync=True)  # type: ignore[call-arg]
    assert isinstance(loaded, PublishTarget)
    assert loaded.path_style is True
    loaded.get_store().write("a", b"x")
    assert server.secret_key not in repr(loaded)

    async def as_shown() -> str:
        async with get_client() as client:
            document = await client.read_block_document_by_name(
                name, "fieldcheck-publish-target", include_secrets=False
            )
            return document.model_dump_json()

    shown = asyncio.run(as_shown())
    assert bucket in shown
    assert "****" in shown
    assert server.secret_key not in shown
