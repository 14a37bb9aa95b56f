"""The parts of a Stage-A configuration. Each is small, frozen, and handed to the step that needs it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import CliToggleFlag

VISUAL_TOKEN_PIXELS = 32 * 32
"""Pixels behind one visual token of Qwen3-VL: patches of 16 x 16, merged 2 x 2."""


class Part(BaseModel):
    """Base of the parts: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelConfig(Part):
    """Which checkpoint is run, how it is loaded, and how much it may be shown.

    What is run is `merged` if that is given, else `base` with its `adapters` on top. Of an endpoint they say what the
    server runs: nothing is loaded, but they are in the work key, and the base's processor says how photos are scaled.
    """

    base: str = Field("", description="Directory of the base Qwen3-VL checkpoint; never a hub name.")
    adapters: tuple[str, ...] = Field((), description="Directories of LoRA adapters, applied on top of the base.")
    merged: str | None = Field(
        None,
        description="Directory of a merged checkpoint to run instead. Where a base is given too, tokenizer, chat "
        "template and processor must be the base's.",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Weights and arithmetic; auto is bfloat16 on CUDA and float32 on a CPU."
    )
    quantisation: Literal["none", "int8", "int4"] = Field(
        "none", description="Weights of the language model in 8 or 4 bits, by bitsandbytes; needs a CUDA device."
    )
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = Field(
        "auto",
        description="Attention kernel; auto is flash_attention_2 where it can run, else sdpa. The default engine's "
        "language model always has sdpa's.",
    )
    max_model_len: int | None = Field(
        None,
        ge=64,
        le=262_144,
        description="Most tokens of one request: prompt, photo and answer together; a photo too large for it is scaled "
        "down. By default the checkpoint's own.",
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


class MergeConfig(Part):
    """Whether and how adapters are merged into their base before a run, by ms-swift's export."""

    enabled: CliToggleFlag[bool] = Field(
        False, description="Merge the adapters into the base first, once, and run the merged checkpoint."
    )
    root: str | None = Field(
        None,
        description="Directory where merged checkpoints are kept, one folder for each base and adapters. By default "
        "fieldcheck/merged in the user's cache directory.",
    )
    timeout_seconds: float = Field(3600.0, gt=0.0, le=86_400.0, description="How long the export may take.")
    probe_photos: str | None = Field(
        None, description="Directory of photos for the parity check. By default drawn test pictures."
    )
    probes: int = Field(64, ge=1, le=1024, description="Most photos of the parity check.")
    min_parity: float = Field(
        0.9,
        ge=0.0,
        le=1.0,
        description="Share of probe photos with the same greedy text before and after; a merge below it is refused.",
    )


class EndpointConfig(Part):
    """How an OpenAI-compatible server is asked."""

    url: str = Field("", description="Base URL, such as http://gpu-7:8000/v1.")
    model: str | None = Field(None, description="Name of the model there; by default the only one it serves.")
    revision: str = Field(
        "", max_length=200, description="What tells two contents of one served name apart; part of the work key."
    )
    api_key: SecretStr | None = Field(None, description="API key. Give it by environment, not as a flag.")
    api_key_block: str | None = Field(None, description="Name of a saved Prefect Secret block with the API key.")
    concurrency: int = Field(16, ge=1, le=1024, description="Most requests under way at a time.")
    timeout_seconds: float = Field(
        60.0,
        gt=0.0,
        le=3600.0,
        description="How long one answer may take before it is asked for again; at most half of deadline_seconds.",
    )
    deadline_seconds: float = Field(
        300.0,
        gt=0.0,
        le=86_400.0,
        description="How long a request is tried again when the server fails, is busy or does not answer.",
    )


class EngineConfig(Part):
    """Which engine reads the photos, and how they are packed. Batches and workers never change the text."""

    kind: Literal["transformers", "reference", "swift", "endpoint"] = Field(
        "transformers",
        description="The default engine, transformers' own generate (slow), ms-swift's inference engines, or an "
        "OpenAI-compatible server. Part of the work key.",
    )
    backend: Literal["transformers", "vllm", "sglang", "lmdeploy"] = Field(
        "transformers", description="Which of ms-swift's back ends kind swift uses. Part of the work key."
    )
    endpoint: EndpointConfig = Field(default_factory=EndpointConfig, description="The server of kind endpoint.")
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


class LeaseConfig(Part):
    """How two runs that share a folder of the store get along."""

    wait_seconds: float = Field(
        21_600.0,
        ge=0.0,
        le=604_800.0,
        description="How long to wait for another run of the same mission or photo set; 0 fails at once.",
    )
    lease_seconds: float = Field(
        30.0,
        ge=1.0,
        le=3600.0,
        description="After how long without a sign of life another machine's run is taken for dead.",
    )


class PublishingConfig(LeaseConfig):
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
    alert_quarantine_fraction: float = Field(
        0.1, ge=0.0, le=1.0, description="Share of groups in quarantine above which people are told, by an event."
    )


class SpreadConfig(Part):
    """Where photos are summarised, if not by this process alone. The published bytes are the same everywhere."""

    over: Literal["devices", "workers", "ray"] = Field(
        "devices",
        description="This machine's devices, Prefect workers that serve `deployment`, or processes of a Ray cluster.",
    )
    pieces: int = Field(
        2, ge=1, le=4096, description="Into how many pieces workers or Ray get the photos, an engine load each."
    )
    deployment: str = Field(
        "infer-piece/infer-piece",
        pattern=r"^[^/]+/[^/]+$",
        description="What workers serve, as flow/deployment.",
    )
    address: str | None = Field(
        None, description="The Ray cluster, such as ray://head:10001; without it one is started on this machine."
    )
    cpus: float = Field(1.0, gt=0.0, le=1024.0, description="CPUs that Ray reserves for a piece.")
    gpus: float = Field(0.0, ge=0.0, le=64.0, description="GPUs that Ray reserves for a piece.")


class HandOffConfig(Part):
    """How a published run reaches Stage-B."""

    mode: Literal["auto", "deployment", "inline", "none"] = Field(
        "auto", description="auto starts the Stage-B deployment if there is one, else runs Stage-B inside this run."
    )
    deployment: str | None = Field(
        None,
        pattern=r"^[^/]+/[^/]+$",
        description="Stage-B's deployment, as flow/deployment. By default the mission's own where the run is to be "
        "judged and there is one, such as stage-b/air-baffle; else stage-b/stage-b.",
    )
    judge: bool = Field(
        False, description="Have Stage-B judge what is handed over, as `judge` says; else it makes tickets alone."
    )
    model: ModelConfig | None = Field(
        None, description="Checkpoint and adapters that judge, if they are not those that wrote the summaries."
    )
