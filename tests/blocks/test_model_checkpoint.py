"""The checkpoint block: Prefect's own standards, what it refuses, and what a run gets from it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from prefect.blocks.core import Block
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite
from pydantic import ValidationError

from blocks.model_checkpoint import ModelCheckpoint


class TestStandards(BlockStandardTestSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return ModelCheckpoint

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        # The suite fetches a picture from the network; this block has none, so that no page asks a foreign host.
        assert block._logo_url is None

    def test_all_fields_have_a_title(self, block: type[Block]) -> None:
        assert all(field.title for field in block.model_fields.values())


def test_what_a_run_gets() -> None:
    assert ModelCheckpoint(checkpoint="/models/base").as_config() == {"model": {"base": "/models/base", "adapters": []}}
    full = ModelCheckpoint(checkpoint="/models/base", adapters=["/models/a", "/models/b"], dtype="bfloat16", note="n")
    assert full.as_config() == {
        "model": {"base": "/models/base", "adapters": ["/models/a", "/models/b"], "dtype": "bfloat16"}
    }


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"checkpoint": ""},
        {"checkpoint": "  "},
        {"checkpoint": "a\nb"},
        {"checkpoint": "/m", "adapters": [""]},
        {"checkpoint": "/m", "adapters": ["/a", "/a"]},
        {"checkpoint": "/m", "dtype": "int3"},
    ],
)
def test_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ModelCheckpoint(**values)


def test_saved_and_loaded(prefect_harness: str) -> None:
    name = f"checkpoint-{uuid.uuid4().hex}"
    block = ModelCheckpoint(checkpoint="/models/基座", adapters=["/models/a"], note="第一版")
    block.save(name)
    loaded = ModelCheckpoint.load(name, _sync=True)  # type: ignore[call-arg]
    assert isinstance(loaded, ModelCheckpoint)
    assert loaded.as_config() == block.as_config()
    assert loaded.note == "第一版"
