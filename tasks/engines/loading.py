"""Load a checkpoint and its adapters onto a device. Knows no request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from peft import PeftModel
from safetensors import SafetensorError
from transformers import AutoProcessor, GenerationConfig, Qwen3VLForConditionalGeneration
from transformers.utils import is_flash_attn_2_available
from transformers.utils import logging as transformers_logging

from configs.parts import ModelConfig
from tasks.records.errors import CheckpointError, DeviceOutOfMemory, EngineError

_LOAD_ERRORS = (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError)


def pick_device(device: str) -> torch.device:
    """`cpu`, `cuda` or `cuda:N` as asked; `auto` is the CUDA device with most free memory, or the CPU."""
    if device == "auto":
        if not torch.cuda.is_available():
            return torch.device("cpu")
        free = [torch.cuda.mem_get_info(index)[0] for index in range(torch.cuda.device_count())]
        return torch.device("cuda", free.index(max(free)))
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise EngineError(f"device {device} asked for, but this torch build finds no CUDA device; use cpu or auto")
    return torch.device(device)


def pick_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """The torch type of a configured one; `auto` is bfloat16 on CUDA and float32 on a CPU."""
    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[dtype]


def pick_attention(
    attention: str, device: torch.device, dtype: torch.dtype
) -> Literal["sdpa", "eager", "flash_attention_2"]:
    """The attention kernel; `auto` is flash_attention_2 where package, device and dtype allow it, else sdpa.

    Raises EngineError if flash_attention_2 was asked for and cannot run.
    """
    flash = device.type == "cuda" and dtype != torch.float32 and bool(is_flash_attn_2_available())
    if attention == "flash_attention_2" and not flash:
        raise EngineError(
            "flash_attention_2 needs the flash-attn package, a CUDA device and a 16-bit dtype; use attention auto"
        )
    if attention == "eager":
        return "eager"
    return "flash_attention_2" if flash and attention != "sdpa" else "sdpa"


def load_processor(checkpoint: str) -> Any:
    """The checkpoint's own `Qwen3VLProcessor`, padding on the left. Raises CheckpointError."""
    try:
        processor = AutoProcessor.from_pretrained(checkpoint, local_files_only=True)
    except _LOAD_ERRORS as error:
        raise CheckpointError(f"the processor of {checkpoint} cannot be loaded: {error}") from error
    processor.tokenizer.padding_side = "left"
    return processor


def load_model(checkpoint: str, adapters: Sequence[str], model: ModelConfig, device: torch.device) -> Any:
    """The model in evaluation mode, adapters active together. Raises CheckpointError, DeviceOutOfMemory, EngineError.

    A checkpoint that lacks weights is refused: transformers would make them up.
    """
    transformers_logging.disable_progress_bar()  # it would write over ours
    dtype = pick_dtype(model.dtype, device)
    attention = pick_attention(model.attention, device, dtype)
    try:
        loaded, info = Qwen3VLForConditionalGeneration.from_pretrained(
            checkpoint, dtype=dtype, attn_implementation=attention, local_files_only=True, output_loading_info=True
        )
        missing = sorted(info["missing_keys"])
        if missing:
            raise CheckpointError(
                f"{checkpoint} lacks {len(missing)} weights, such as {missing[0]}; copy the checkpoint again"
            )
        # From here on nothing of the checkpoint's own sampling defaults may leak into a request.
        ends = loaded.generation_config.eos_token_id
        loaded.generation_config = GenerationConfig(
            eos_token_id=ends, pad_token_id=loaded.generation_config.pad_token_id, do_sample=False
        )
        for index, adapter in enumerate(adapters):
            loaded = _with_adapter(loaded, adapter, f"adapter_{index}")
        if adapters:
            loaded.base_model.set_adapter([f"adapter_{index}" for index in range(len(adapters))])
        return loaded.to(device).eval()
    except torch.OutOfMemoryError as error:
        raise DeviceOutOfMemory(f"{checkpoint} does not fit on {device}: {error}") from error
    except _LOAD_ERRORS as error:
        raise CheckpointError(f"{checkpoint} cannot be loaded: {error}") from error


def _with_adapter(model: Any, adapter: str, name: str) -> Any:
    try:
        if isinstance(model, PeftModel):
            model.load_adapter(adapter, adapter_name=name, is_trainable=False)
            return model
        return PeftModel.from_pretrained(model, adapter, adapter_name=name, is_trainable=False)
    except _LOAD_ERRORS as error:
        raise CheckpointError(f"adapter {adapter} does not fit the checkpoint: {error}") from error
