"""What a look at a single photo is told: summarise it, or caption it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import CliToggleFlag

from configs.base import BaseConfig
from configs.errors import Fault
from configs.parts import EngineConfig, GenerationConfig, InputConfig, MergeConfig, ModelConfig
from configs.preflight import check_font, check_mission, check_photo
from configs.preflight_model import check_budget, check_model

Device = Annotated[str, Field(pattern=r"^(auto|cpu(:\d+)?|cuda(:\d+)?)$")]


class DenseConfig(GenerationConfig):
    """How a dense caption is decoded. Its settings change the text; each is part of a photo's work key."""

    max_new_tokens: int = Field(2048, ge=1, le=8192, description="Most tokens of a caption; an object takes 30 to 50.")


class ReadConfig(BaseConfig):
    """What is needed to show a photo to a model."""

    device: Device = Field("auto", description="auto, cpu, cuda or cuda:N; auto takes a free GPU.")
    model: ModelConfig = Field(default_factory=ModelConfig, description="Which checkpoint is run, and how.")
    merge: MergeConfig = Field(default_factory=MergeConfig, description="Merging adapters into their base.")
    engine: EngineConfig = Field(default_factory=EngineConfig, description="Which engine, its batches and preparation.")
    inputs: InputConfig = Field(default_factory=InputConfig, description="What is accepted as a photo.")


class PhotoConfig(ReadConfig):
    """One photo to read."""

    image: str = Field("", description="The photo: a JPEG, PNG, WebP, HEIC or AVIF file.")
    stream: CliToggleFlag[bool] = Field(False, description="Print the answer as it comes, token by token.")

    def faults(self, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
        """Everything wrong with the photo, and with what reads it."""
        yield from check_photo(self.image)
        yield from check_model(self.model, self.merge, self.engine, self.device, skip)


class SummarizeConfig(PhotoConfig):
    """One photo to summarise, as Stage-A does it, without the retry ladder."""

    mission: str = Field("", description="Mission whose focus the prompt names; without one, none.")
    generation: GenerationConfig = Field(default_factory=GenerationConfig, description="How text is decoded.")

    def faults(self, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
        """Everything wrong with what one photo's summary is told."""
        if self.mission and "mission" not in skip:
            yield from check_mission(self.mission)
        yield from super().faults(skip)
        yield from check_budget(self.model, "summary", self.generation.max_new_tokens, "generation.max_new_tokens")


class CaptionConfig(PhotoConfig):
    """One photo to caption densely: every object with its place."""

    overlay: str | None = Field(None, description="PNG file for the photo with its objects drawn in.")
    font: str | None = Field(None, description="Font file with Chinese characters, for the labels.")
    dense: DenseConfig = Field(default_factory=DenseConfig, description="How captions are decoded.")

    def faults(self, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
        """Everything wrong with what one photo's caption is told."""
        yield from super().faults(skip)
        yield from check_budget(self.model, "dense", self.dense.max_new_tokens, "dense.max_new_tokens")
        yield from check_font(self.font)
        if self.overlay is not None and not Path(self.overlay).absolute().parent.is_dir():
            yield Fault("overlay", f"there is no folder {Path(self.overlay).parent}", "make it first")
