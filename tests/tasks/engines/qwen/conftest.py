"""The demo checkpoint's model and processor as transformers loads them, a prompt and photos. Knows no engine."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from configs.parts import InputConfig, ModelConfig
from tasks.engines.loading import load_model, load_processor
from tasks.engines.photos import Bounds, Patches, Scaler, Shown, patchify
from tasks.engines.prompting import PromptEncoder, PromptIds
from tasks.engines.protocol import Decoding, Request
from tasks.engines.sequence import Sequence
from tests.demo import Demo
from tests.tasks.engines.asking import ask_mixed
from tests.tasks.engines.qwen.sources import Ask


@pytest.fixture(scope="session")
def model(demo: Demo) -> Any:
    """The model, in float32."""
    return load_model(demo.checkpoint, (), ModelConfig(), torch.device("cpu"))


@pytest.fixture(scope="session")
def processor(demo: Demo) -> Any:
    """Its processor."""
    return load_processor(demo.checkpoint)


@pytest.fixture(scope="session")
def prompt(demo: Demo, processor: Any) -> PromptIds:
    """The ids of a mission's prompt."""
    request = ask_mixed(demo)[0]
    return PromptEncoder(processor).encode(request)


@pytest.fixture(scope="session")
def photos(demo: Demo, processor: Any) -> list[Shown]:
    """Twelve photos of several sizes."""
    scaler = Scaler(Bounds.of(processor.image_processor), ModelConfig(), InputConfig())
    return [scaler.show(request.read()) for request in ask_mixed(demo)]


@pytest.fixture(scope="session")
def patches(photos: list[Shown], processor: Any) -> list[Patches]:
    """The same in patches."""
    images = processor.image_processor
    return [patchify(shown.picture, images.patch_size, images.merge_size) for shown in photos]


@pytest.fixture(scope="session")
def ask(prompt: PromptIds, photos: list[Shown], patches: list[Patches]) -> Ask:
    """Makes sequences about those photos."""

    def make(
        photo: int, most: int, request_id: str | None = None, prompt: PromptIds = prompt, **decoding: Any
    ) -> Sequence:
        request = Request(request_id or str(photo), lambda: b"", "", "", Decoding(most, **decoding))
        return Sequence(request, prompt, photos[photo], patches[photo])

    return make
