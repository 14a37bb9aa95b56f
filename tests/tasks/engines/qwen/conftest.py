"""The demo checkpoint's model and processor as transformers loads them. Knows no engine."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from configs.parts import ModelConfig
from tasks.engines.loading import load_model, load_processor
from tests.demo import Demo


@pytest.fixture(scope="session")
def model(demo: Demo) -> Any:
    """The model, in float32."""
    return load_model(demo.checkpoint, (), ModelConfig(), torch.device("cpu"))


@pytest.fixture(scope="session")
def processor(demo: Demo) -> Any:
    """Its processor."""
    return load_processor(demo.checkpoint)
