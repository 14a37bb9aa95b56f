"""What every run of the pipeline is told, whatever it asks: its store, its devices, its shards, its photos if any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field
from pydantic_settings import CliToggleFlag

from configs.errors import Fault
from configs.parts import SpreadConfig
from configs.photo import Device, ReadConfig
from configs.preflight import check_store
from configs.preflight_model import check_devices, check_model
from configs.preflight_spread import check_spread
from configs.stores import BlockName, S3Options

Slot = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
ShardPhotos = Annotated[int, Field(ge=1, le=100_000)]
ShardSeconds = Annotated[float, Field(ge=1.0, le=86_400.0)]
CheckpointBlock = Annotated[
    BlockName | None,
    Field(
        description="Name of a saved Fieldcheck Model Checkpoint block: it says which checkpoint is run, with which "
        "adapters, unless the flags or the run's parameters do."
    ),
]


class WorkConfig(ReadConfig):
    """A run of the pipeline. What people type is flat, the rest is in parts."""

    store: str = Field("", description="Where results go: a directory, or s3://bucket/prefix.")
    checkpoint_block: CheckpointBlock = None
    devices: tuple[Device, ...] = Field(
        (), description="Several devices instead of one, each with an engine of its own, such as cuda:0 and cuda:1."
    )
    slots: tuple[Slot, ...] = Field(
        (),
        description="Prefect concurrency limits, such as gpu-0: the run waits for a slot of each before it loads the "
        "model, and holds it until the last shard is written.",
    )
    shard_photos: ShardPhotos = Field(2048, description="Most photos in one shard.")
    shard_seconds: ShardSeconds = Field(
        60.0,
        description="How long a shard should take, once it is known how fast photos go: what a killed run redoes.",
    )
    force: CliToggleFlag[bool] = Field(
        False,
        description="Infer every photo anew, whatever earlier runs know; their shards stay. After a kill it goes on.",
    )
    spread: SpreadConfig = Field(default_factory=SpreadConfig, description="Other machines that take part.")
    s3: S3Options = Field(default_factory=S3Options, description="How s3:// is reached.")

    @property
    def photos(self) -> str:
        """Where the photos are that are asked about; empty where only texts are."""
        return ""

    @property
    def fleet(self) -> tuple[str, ...]:
        """The devices that have an engine in this run."""
        return self.devices or (self.device,)

    def faults(self, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
        """Everything wrong with the store, the checkpoint, the devices and the machines of a run."""
        if "store" not in skip:
            yield from check_store(self.store)
        yield from check_model(self.model, self.merge, self.engine, self.fleet[0], skip)
        if not any(name.startswith("devices") for name in skip):
            yield from check_devices(self.devices)
        if not any(name.startswith("spread") for name in skip):
            yield from check_spread(self.spread, self.engine, self.model, self.photos, self.store)


class PhotosConfig(WorkConfig):
    """A run of the pipeline that asks about photos."""

    input_root: str = Field("", description="Where the photos are: a directory, or s3://bucket/prefix.")

    @property
    def photos(self) -> str:
        """Where the photos are."""
        return self.input_root
