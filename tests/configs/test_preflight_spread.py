"""Tests of what is looked at before a run that other machines take part in."""

from __future__ import annotations

from typing import Any

import pytest

from configs.errors import Fault
from configs.parts import EngineConfig, ModelConfig, SpreadConfig
from configs.preflight_spread import check_spread
from configs.stage_a import StageAConfig

FINE: dict[str, Any] = {
    "input_root": "s3://photos/root",
    "store": "/shared/store",
    "model": ModelConfig(base="/models/base", adapters=("~/adapter",)),
    "spread": SpreadConfig(over="workers"),
}


def spread_faults(told: dict[str, Any]) -> list[Fault]:
    """What is wrong with a run that is spread."""
    config = StageAConfig(**told)
    return list(check_spread(config.spread, config.engine, config.model, config.input_root, config.store))


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"input_root": "photos"}, "input_root"),
        ({"store": "./store"}, "store"),
        ({"model": ModelConfig(base="base")}, "model.base"),
        ({"model": ModelConfig(merged="merged")}, "model.merged"),
        ({"model": ModelConfig(base="/base", adapters=("/one", "two"))}, "model.adapters"),
        ({"engine": EngineConfig(kind="endpoint")}, "spread.over"),
    ],
)
def test_what_means_something_else_on_another_machine_is_refused(changed: dict[str, Any], where: str) -> None:
    for over in ("workers", "ray"):
        told = {**FINE, **changed, "spread": SpreadConfig(over=over)}
        assert [fault.where for fault in spread_faults(told)] == [where]
    assert not (spread_faults({**FINE, **changed, "spread": SpreadConfig()}))


def test_absolute_paths_buckets_and_blocks_are_fine() -> None:
    assert not (spread_faults(FINE))
