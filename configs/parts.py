"""The parts of a Stage-A configuration. Each is small, frozen, and handed to the step that needs it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

VISUAL_TOKEN_PIXELS = 32 * 32
"""Pixels behind one visual token of Qwen3-VL: patches of 16 x 16, merged 2 x 2."""


class Part(BaseModel):
    """Base of the parts: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelConfig(Part):
    """How the checkpoint is loaded, and how much it may be shown."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Weights and arithmetic; auto is bfloat16 on CUDA and float32 on a CPU."
    )
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = Field(
        "auto", description="Attention kernel; auto is flash_attention_2 where it can run, else sdpa."
    )
    max_model_len: int | None = Field(
        None,
        ge=64,
        le=262_144,
        description="Most tokens of one request: prompt, photo and answer together. By default the checkpoint's own.",
    )
    max_pixels: int = Field(
        1_003_520,
        ge=VISUAL_TOKEN_PIXELS,
        le=16_777_216,
        description="A photo is scaled down to this many pixels; 1024 pixels are one visual token.",
    )
    min_pixels: int | None = Field(
        None,
        ge=VISUAL_TOKEN_PIXELS,
        le=16_777_216,
        description="A smaller photo is scaled up to this many pixels. By default the checkpoint's own bound.",
    )


class GenerationConfig(Part):
    """Settings that change the text; each is part of a photo's work key."""

    max_new_tokens: int = Field(256, ge=1, le=8192, description="Most tokens of an answer.")
    temperature: float = Field(0.0, ge=0.0, le=2.0, description="0 is greedy decoding, the default.")
    top_p: float = Field(1.0, gt=0.0, le=1.0, description="Nucleus sampling; has no effect at temperature 0.")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed for sampling; has no effect at temperature 0.")


class LadderConfig(Part):
    """What is tried when a summary breaks the grammar. Part of the work key: it changes text."""

    temperatures: tuple[Annotated[float, Field(ge=0.0, le=2.0)], ...] = Field(
        (0.0, 0.4, 0.8),
        max_length=8,
        description="One retry a temperature, the photo alone each time; 0 repeats the first answer without batch "
        "mates. Empty: no retry.",
    )
    top_p: float = Field(0.9, gt=0.0, le=1.0, description="Nucleus sampling of the retries above temperature 0.")
    max_new_tokens_factor: float = Field(
        1.0, ge=1.0, le=4.0, description="How much longer than max_new_tokens a retry's answer may be."
    )


class EngineConfig(Part):
    """How photos are packed and prepared. Changes speed and memory, never the text."""

    batch_size: int = Field(32, ge=1, le=1024, description="Most photos in one batch.")
    batch_tokens: int = Field(
        32_768, ge=256, le=4_194_304, description="Most prompt and visual tokens in one batch, padding included."
    )
    prefetch: int = Field(2, ge=1, le=64, description="Batches prepared ahead of the one that generates.")
    prepare_workers: int = Field(2, ge=1, le=64, description="Threads that fetch, decode and patchify photos.")


class InputConfig(Part):
    """What verification accepts."""

    markers: Literal["required", "optional", "ignored"] = Field(
        "optional", description="Whether a group needs its stage_a_complete marker."
    )
    strict: bool = Field(False, description="Fail the run when any group is rejected.")
    duplicates: Literal["allow", "reject"] = Field(
        "allow", description="What to do with a group that holds the same photo twice."
    )
    max_file_bytes: int = Field(64 * 2**20, ge=1024, le=2**31, description="Largest photo file, in bytes.")
    max_decode_pixels: int = Field(
        80_000_000, ge=4096, le=2_000_000_000, description="Largest photo that is decoded, in pixels."
    )
    min_side: int = Field(16, ge=1, le=4096, description="Shortest side of a photo, in pixels.")
    max_aspect: float = Field(
        100.0, ge=1.0, le=200.0, description="Longest side over shortest side; Qwen's processor refuses 200 and more."
    )


class PublishingConfig(Part):
    """What is published, and how two runs of one mission get along."""

    partial_groups: Literal["quarantine", "publish"] = Field(
        "quarantine",
        description="What becomes of a group with a bad photo: quarantine it whole, or publish it without the photo.",
    )
    max_quarantine_fraction: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="Share of groups that may be quarantined; a run over it fails, and publishes its quarantine alone.",
    )
    wait_seconds: float = Field(
        21_600.0,
        ge=0.0,
        le=604_800.0,
        description="How long to wait for another run of the same mission; 0 fails at once.",
    )
    lease_seconds: float = Field(
        30.0,
        ge=1.0,
        le=3600.0,
        description="After how long without a sign of life another machine's run is taken for dead.",
    )


class HandOffConfig(Part):
    """How a published run reaches Stage-B."""

    mode: Literal["auto", "deployment", "inline", "none"] = Field(
        "auto", description="auto starts the Stage-B deployment if there is one, else runs Stage-B inside this run."
    )
    deployment: str = Field(
        "stage-b/stage-b", pattern=r"^[^/]+/[^/]+$", description="Stage-B's deployment, as flow/deployment."
    )
