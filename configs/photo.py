"""What a look at single photos is told: summarise one, caption one, caption a folder. Knows no step."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import CliToggleFlag

from configs.parts import (
    EngineConfig,
    GenerationConfig,
    InputConfig,
    MergeConfig,
    ModelConfig,
    Part,
)
from configs.stores import BlockName, S3Options

Device = Annotated[str, Field(pattern=r"^(auto|cpu(:\d+)?|cuda(:\d+)?)$")]
Slot = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
ShardPhotos = Annotated[int, Field(ge=1, le=100_000)]
CheckpointBlock = Annotated[
    BlockName | None,
    Field(
        description="Name of a saved Fieldcheck Model Checkpoint block: it says which checkpoint is run, with which "
        "adapters, unless the flags or the run's parameters do."
    ),
]


class DenseConfig(GenerationConfig):
    """How a dense caption is decoded. Its settings change the text; each is part of a photo's work key."""

    max_new_tokens: int = Field(2048, ge=1, le=8192, description="Most tokens of a caption; an object takes 30 to 50.")


class ReadConfig(Part):
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


class SummarizeConfig(PhotoConfig):
    """One photo to summarise, as Stage-A does it, without the retry ladder."""

    mission: str = Field("", description="Mission whose focus the prompt names; without one, none.")
    generation: GenerationConfig = Field(default_factory=GenerationConfig, description="How text is decoded.")


class CaptionConfig(PhotoConfig):
    """One photo to caption densely: every object with its place."""

    overlay: str | None = Field(None, description="PNG file for the photo with its objects drawn in.")
    font: str | None = Field(None, description="Font file with Chinese characters, for the labels.")
    dense: DenseConfig = Field(default_factory=DenseConfig, description="How captions are decoded.")


class DenseCaptionConfig(ReadConfig):
    """A folder of photos to caption densely."""

    input_root: str = Field("", description="Folder of photos, at any depth: a directory, or s3://bucket/prefix.")
    store: str = Field("", description="Where results go: a directory, or s3://bucket/prefix.")
    name: str = Field("", description="Name of the photo set in the store; by default the folder's own.")
    checkpoint_block: CheckpointBlock = None
    slots: tuple[Slot, ...] = Field(
        (), description="Prefect concurrency limits, such as gpu-0, of which a slot is held while the model is loaded."
    )
    overlays: bool = Field(True, description="Draw every captioned photo with its objects, as a PNG.")
    font: str | None = Field(None, description="Font file with Chinese characters, for the labels.")
    dense_key: str | None = Field(
        None, description="JSON file with the right captions; the run then reports F1 and description accuracy."
    )
    shard_photos: ShardPhotos = Field(64, description="Photos in one task: what a killed run redoes at most.")
    dense: DenseConfig = Field(default_factory=DenseConfig, description="How captions are decoded.")
    s3: S3Options = Field(default_factory=S3Options, description="How s3:// is reached.")
