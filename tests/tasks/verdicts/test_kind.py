"""What decides a candidate beside the evidence, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from configs.stage_b import StageBConfig
from tasks.checkpoints.resolve import Checkpoint
from tasks.records.work import Identity
from tasks.verdicts.kind import candidates_of
from tests.builders import MISSION, sha


def identity(**changes: Any) -> Identity:
    """Of the candidates of a run that is told this."""
    config = StageBConfig.model_validate({"manifest": f"s3://b/stage_a/{MISSION}/runs/r/manifest.json", **changes})
    return candidates_of(config, Checkpoint("", (), sha("checkpoint"), (), "float32")).identity


@pytest.mark.parametrize(
    "told",
    [
        {"model": {"base": "/models/judge", "max_pixels": 82_944, "min_pixels": 4_096}},
        {"device": "cuda:1", "engine": {"batch_size": 4}, "shard_photos": 7},
        {"judge": {"uncalibrated": "allow", "audit_seed": 5}},
    ],
    ids=["how photos are scaled", "device and batches", "what becomes of verdicts"],
)
def test_what_cannot_change_a_candidate_makes_no_other_one(told: dict[str, Any]) -> None:
    assert identity(**told) == identity()


@pytest.mark.parametrize(
    "told",
    [
        {"judge": {"seed": 18}},
        {"judge": {"rules": ["至少需要BBU设备"]}},
        {"judge": {"max_new_tokens": 100}},
        {"model": {"max_model_len": 4096}},
        {"engine": {"kind": "reference"}},
    ],
    ids=str,
)
def test_what_can_change_a_candidate_makes_another_one(told: dict[str, Any]) -> None:
    assert identity(**told).digest != identity().digest
