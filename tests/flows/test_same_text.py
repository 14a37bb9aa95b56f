"""Whatever runs the checkpoint publishes the same file: adapter, merged, ms-swift, and a server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from configs.parts import EngineConfig, GenerationConfig, MergeConfig, ModelConfig
from flows.stage_a import stage_a
from tasks.checkpoints.fingerprint import fingerprint
from tasks.runs.keys import PROVENANCE, records_name
from tests.demo import Demo
from tests.flows.conftest import MISSION
from tests.merging import Merging

pytestmark = pytest.mark.usefixtures("prefect_harness")


@pytest.fixture(scope="module")
def given(small_root: Path) -> dict[str, Any]:
    """What all runs have in common."""
    return {
        "mission": MISSION,
        "input_root": str(small_root),
        "device": "cpu",
        "generation": GenerationConfig(max_new_tokens=96),
    }


@pytest.fixture(scope="module")
def adapted(given: dict[str, Any], demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The run of base and adapter on the default engine."""
    model = ModelConfig(base=demo.checkpoint, adapters=(demo.adapter,))
    engine = EngineConfig(batch_size=8)
    return stage_a(**given, model=model, engine=engine, store=str(tmp_path_factory.mktemp("adapted")))


def product(summary: dict[str, Any]) -> bytes:
    """The published file."""
    return (Path(summary["manifest"]).parent / records_name(MISSION)).read_bytes()


def test_the_merged_checkpoint_and_swift_publish_what_the_adapter_does(
    given: dict[str, Any], adapted: dict[str, Any], demo: Demo, merging: Merging, tmp_path: Path
) -> None:
    both = ModelConfig(base=demo.checkpoint, adapters=(demo.adapter,))
    merge = MergeConfig(enabled=True, root=merging.config.root)
    engine = EngineConfig(batch_size=8)
    merged = stage_a(**given, model=both, merge=merge, engine=engine, store=str(tmp_path / "merged"))
    assert product(merged) == product(adapted)
    assert fingerprint(merging.folder) in Path(merged["manifest"]).read_text(encoding="utf-8")
    swift = engine.model_copy(update={"kind": "swift"})
    swifts = stage_a(**given, model=both, engine=swift, store=str(tmp_path / "swift"))
    assert product(swifts) == product(adapted)
    provenance = (Path(swifts["manifest"]).parent / PROVENANCE).read_text(encoding="utf-8")
    assert '"engine": "swift/transformers"' in provenance
    assert len({adapted["sha256"], merged["sha256"], swifts["sha256"]}) == 3, "each says what ran it"


@pytest.mark.slow
def test_a_server_of_the_merged_checkpoint_publishes_what_the_adapter_does(
    given: dict[str, Any],
    adapted: dict[str, Any],
    merging: Merging,
    deploy_with: Callable[..., EngineConfig],
    tmp_path: Path,
) -> None:
    engine = deploy_with(checkpoint=str(merging.folder))
    known = ModelConfig(base=str(merging.folder))
    served = stage_a(**given, model=known, engine=engine, store=str(tmp_path / "known"))
    assert product(served) == product(adapted)
