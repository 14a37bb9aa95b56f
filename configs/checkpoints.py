"""What the commands and the flow about checkpoints are told. Knows no step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from configs.base import BaseConfig
from configs.errors import Fault
from configs.parts import EngineConfig, MergeConfig, ModelConfig
from configs.photo import Device
from configs.preflight_model import check_model
from configs.work import Slot


class MergeCheckpointConfig(BaseConfig):
    """Adapters to merge into their base."""

    device: Device = Field("auto", description="Where the parity check runs: auto, cpu, cuda or cuda:N.")
    model: ModelConfig = Field(default_factory=ModelConfig, description="The base and the adapters.")
    merge: MergeConfig = Field(default_factory=MergeConfig, description="Where the merged checkpoint goes, and checks.")

    def faults(self, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
        """Everything wrong with a merge."""
        yield from check_model(self.model, self.merge, EngineConfig(), self.device, skip)
        if self.model.merged is not None:
            yield Fault("model.merged", "is what a merge makes", "leave it out")
        elif not self.model.adapters and "model.adapters" not in skip:
            yield Fault("model.adapters", "are not given", "give at least one LoRA adapter: --adapters")
        if self.merge.probe_photos is not None and not Path(self.merge.probe_photos).is_dir():
            yield Fault(
                "merge.probe_photos", f"there is no folder {self.merge.probe_photos}", "give a folder of photos"
            )


class MergeRunConfig(MergeCheckpointConfig):
    """A merge that Prefect runs, where others share the device."""

    slots: tuple[Slot, ...] = Field(
        (), description="Prefect concurrency limits, such as gpu-0, of which a slot is held meanwhile."
    )


class InspectConfig(BaseConfig):
    """A checkpoint or adapter to look at."""

    checkpoint: str = Field("", description="Directory of a base, merged or adapter checkpoint.")
    base: str | None = Field(None, description="Directory of the base that its tokenizer and template must equal.")

    def faults(self, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
        """Everything wrong with what is to be looked at."""
        if not self.checkpoint:
            yield Fault("checkpoint", "is not given", "give the directory of a checkpoint or an adapter")
        for where, folder in (("checkpoint", self.checkpoint), ("base", self.base)):
            if folder and where not in skip and not Path(folder).is_dir():
                yield Fault(where, f"there is no folder {folder}", "give a local directory; hubs are never asked")
