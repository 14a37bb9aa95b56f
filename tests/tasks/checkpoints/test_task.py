"""Tests of what Prefect's tasks add to the checkpoint step."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prefect.logging import disable_run_logger

from configs.parts import EndpointConfig, EngineConfig, MergeConfig, ModelConfig
from configs.photo import ReadConfig
from tasks.checkpoints.fingerprint import fingerprint
from tasks.checkpoints.resolve import resolve_endpoint
from tasks.checkpoints.task import merge_checkpoint, resolve_checkpoint
from tasks.records.errors import CheckpointError
from tests.demo import Demo
from tests.merging import Merging

SERVER = EngineConfig(kind="endpoint", endpoint=EndpointConfig(url="http://127.0.0.1:1/v1", model="qwen"))


@pytest.fixture(autouse=True)
def _outside_a_run() -> Iterator[None]:
    with disable_run_logger():
        yield


def test_a_run_gets_its_adapters_merged(merging: Merging) -> None:
    config = merging.config.model_copy(update={"enabled": True})
    found = resolve_checkpoint.fn(ReadConfig(model=merging.model, merge=config), "cpu")
    assert (found.path, found.adapters) == (merging.merged.path, ())
    assert merge_checkpoint.fn(merging.model, merging.config, "cpu") == found.merged


def test_a_server_needs_no_checkpoint_and_merges_none(demo: Demo) -> None:
    assert resolve_checkpoint.fn(ReadConfig(engine=SERVER), "auto") == resolve_endpoint(SERVER.endpoint)
    known = resolve_checkpoint.fn(ReadConfig(engine=SERVER, model=ModelConfig(base=demo.checkpoint)), "cpu")
    assert known.fingerprint == fingerprint(demo.checkpoint)
    with pytest.raises(CheckpointError, match="a server runs what it has loaded"):
        resolve_checkpoint.fn(ReadConfig(engine=SERVER, merge=MergeConfig(enabled=True)), "auto")
