"""The default engine and the reference on the demo checkpoint."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from configs.parts import EngineConfig
from tasks.engines.protocol import Completion
from tasks.engines.reference import ReferenceEngine
from tasks.engines.transformers import TransformersEngine
from tests.demo import Demo
from tests.tasks.engines.asking import answers, ask_mixed


@pytest.fixture(scope="session")
def default(demo: Demo) -> Iterator[TransformersEngine]:
    """The default engine, which the others are compared with."""
    engine = TransformersEngine(demo.checkpoint, device="cpu", engine=EngineConfig(batch_size=8))
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def reference(demo: Demo) -> Iterator[ReferenceEngine]:
    """transformers' own `generate`, in float32."""
    engine = ReferenceEngine(demo.checkpoint, device="cpu")
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def expected(demo: Demo, default: TransformersEngine) -> dict[str, Completion]:
    """What the default engine says, greedily, about the dozen photos."""
    return answers(default, ask_mixed(demo))
