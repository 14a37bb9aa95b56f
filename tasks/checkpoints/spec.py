"""What a resolved checkpoint means to an engine, and to the identity of its texts. Loads nothing."""

from __future__ import annotations

from configs.parts import EngineConfig, InputConfig, ModelConfig
from tasks.checkpoints.resolve import Checkpoint
from tasks.engines.open import EngineSpec


def engine_spec(
    checkpoint: Checkpoint, model: ModelConfig, engine: EngineConfig, inputs: InputConfig, device: str
) -> EngineSpec:
    """What `open_engine` needs for a checkpoint that was resolved."""
    return EngineSpec(
        checkpoint=checkpoint.path,
        adapters=checkpoint.adapters,
        fingerprint=(checkpoint.fingerprint, *checkpoint.adapter_fingerprints),
        device=device,
        model=model.model_copy(update={"dtype": checkpoint.dtype or "auto"}),
        engine=engine,
        inputs=inputs,
    )


def text_settings(model: ModelConfig, engine: EngineConfig, dtype: str, *, photos: bool = True) -> dict[str, object]:
    """The settings of model and engine that can change a text; how photos are scaled only where there are `photos`.
    Device, batches, workers and kernels are not among them, nor is where a server is."""
    scaled = {"max_pixels": model.max_pixels, "min_pixels": model.min_pixels} if photos else {}
    return {
        "engine": f"swift:{engine.backend}" if engine.kind == "swift" else engine.kind,
        "dtype": dtype,
        "quantisation": model.quantisation,
        **scaled,
        "max_model_len": model.max_model_len,
    }
