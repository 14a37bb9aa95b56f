"""The block that names a checkpoint and its adapters, so that a deployment can name the block. Knows no weights."""

from __future__ import annotations

from typing import Any, Literal

from prefect.blocks.core import Block
from pydantic import Field, field_validator

from blocks.loading import load_block


class ModelCheckpoint(Block):
    """
    A vision-language checkpoint and the LoRA adapters that go on top of it. Paths are those of the machine with the
    accelerator; nothing here opens them.

    Attributes:
        checkpoint: Directory of the base or merged checkpoint.
        adapters: Directories of LoRA adapters, the first applied first.
        dtype: Number format of the weights; empty leaves it to the run.
        note: What this checkpoint is good for.

    Example:
        Load a saved checkpoint and give it to a run's configuration:
        ```python
        from blocks.model_checkpoint import ModelCheckpoint

        checkpoint = ModelCheckpoint.load("BLOCK_NAME")
        model = checkpoint.as_config()
        ```
    """

    _block_type_name = "Fieldcheck Model Checkpoint"
    _block_type_slug = "fieldcheck-model-checkpoint"
    _description = "A vision-language checkpoint and the LoRA adapters that go on top of it."
    _documentation_url = "https://docs.prefect.io/v3/concepts/blocks"  # type: ignore[assignment]

    checkpoint: str = Field(
        title="Checkpoint",
        min_length=1,
        max_length=4096,
        description="Directory of the base or merged checkpoint, on the machine that runs it.",
    )
    adapters: list[str] = Field(
        default_factory=list,
        title="Adapters",
        max_length=16,
        description="Directories of LoRA adapters, the first applied first.",
    )
    dtype: Literal["auto", "bfloat16", "float16", "float32"] | None = Field(
        default=None,
        title="Number format",
        description="Number format of the weights; empty leaves it to the run.",
    )
    note: str = Field(
        default="",
        title="Note",
        max_length=2000,
        description="What this checkpoint is good for: data, date, who trained it.",
    )

    @field_validator("checkpoint")
    @classmethod
    def _check_checkpoint(cls, value: str) -> str:
        return _checked_path(value)

    @field_validator("adapters")
    @classmethod
    def _check_adapters(cls, values: list[str]) -> list[str]:
        if len(set(values)) != len(values):
            raise ValueError("an adapter is given twice")
        return [_checked_path(value) for value in values]

    def as_config(self) -> dict[str, Any]:
        """`{"model": {"base": ..., "adapters": [...]}}`, with `dtype` if it is set: a part of a run's config."""
        model: dict[str, Any] = {"base": self.checkpoint, "adapters": list(self.adapters)}
        if self.dtype is not None:
            model["dtype"] = self.dtype
        return {"model": model}


def _checked_path(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError("a path is empty or has control characters")
    return value


def checkpoint_of(block: str) -> dict[str, Any]:
    """The layer of settings in a saved checkpoint block. Raises ConfigError if there is none, or StoreUnavailable."""
    return load_block(ModelCheckpoint, block).as_config()
