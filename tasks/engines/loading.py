"""Load a checkpoint and its adapters onto a device. Knows no request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from peft import PeftModel
from transformers import (
    BitsAndBytesConfig,
    GenerationConfig,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
)
from transformers.utils import is_flash_attn_2_available
from transformers.utils import logging as transformers_logging

from configs.parts import ModelConfig
from tasks.engines.folders.adapters import adapter_refusals
from tasks.engines.folders.admission import check_weights, check_words
from tasks.engines.folders.code import check_code
from tasks.engines.folders.content import end_tokens as said_ends
from tasks.engines.folders.files import CONFIG, read_json
from tasks.engines.folders.fit import differences
from tasks.engines.folders.words import template_in_force
from tasks.records.errors import (
    CheckpointError,
    DeviceOutOfMemory,
    EngineError,
    EngineMissing,
    EngineUnavailable,
    FieldcheckError,
)

_UNQUANTISED = ["visual", "lm_head"]
"""Modules that keep the configured dtype: small text in a photo is lost first when the vision tower is rounded, and the
vision tower is a tenth of the weights; the output layer shares its weights with the embeddings, which stay whole."""


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


def check_quantisation(quantisation: str, device: torch.device) -> None:
    """Raises EngineError or EngineMissing where quantised weights cannot run."""
    if quantisation == "none":
        return
    if device.type != "cuda":
        raise EngineError(
            f"model.quantisation {quantisation} needs a CUDA device, and this run is on {device}; use quantisation none"
        )
    if find_spec("bitsandbytes") is None:
        raise EngineMissing(
            f"model.quantisation {quantisation} needs the package bitsandbytes; install it, or use quantisation none"
        )


def quantisation_config(quantisation: str, dtype: torch.dtype) -> BitsAndBytesConfig | None:
    """What transformers is told of quantised weights: int8 by LLM.int8(), int4 by NF4, arithmetic in `dtype`."""
    if quantisation == "int8":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=_UNQUANTISED)
    if quantisation == "int4":
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=dtype,
            llm_int8_skip_modules=_UNQUANTISED,
        )
    return None


@contextmanager
def loading(what: str, device: torch.device | None = None) -> Iterator[None]:
    """Translates whatever the model libraries raise for a folder that they cannot load; `what` names it.

    Raises CheckpointError, EngineMissing, EngineUnavailable and DeviceOutOfMemory.
    """
    try:
        yield
    except FieldcheckError:
        raise
    except torch.OutOfMemoryError as error:
        raise DeviceOutOfMemory(f"{what} does not fit on {device}: {error}") from error
    except torch.AcceleratorError as error:
        raise EngineUnavailable(f"{device} failed while {what} was loaded onto it: {error}") from error
    except ImportError as error:
        raise EngineMissing(f"{what} cannot be loaded, a package is missing: {error}") from error
    except Exception as error:
        raise CheckpointError(f"{what} cannot be loaded: {error or type(error).__name__}") from error


def load_processor(checkpoint: str) -> Any:
    """The checkpoint's own `Qwen3VLProcessor`, padding on the left. Raises CheckpointError."""
    folder = Path(checkpoint)
    check_words(folder)
    with loading(f"the processor of {checkpoint}"):
        processor = Qwen3VLProcessor.from_pretrained(checkpoint, local_files_only=True, trust_remote_code=False)
    template = template_in_force(folder)
    processor.chat_template = (
        None if template is None else template[1]
    )  # transformers' own choice leaves out some files
    processor.tokenizer.padding_side = "left"
    return processor


def load_model(checkpoint: str, adapters: Sequence[str], model: ModelConfig, device: torch.device) -> Any:
    """The model in evaluation mode, adapters active together. Raises CheckpointError, DeviceOutOfMemory, EngineError.

    A checkpoint that lacks weights is refused: transformers would make them up. So is an adapter whose weights are not
    those that PEFT has places for: it would leave them out.
    """
    check_quantisation(model.quantisation, device)
    return load_weights(checkpoint, adapters, model, device)


def load_weights(checkpoint: str, adapters: Sequence[str], model: ModelConfig, device: torch.device) -> Any:
    """`load_model` without asking whether quantised weights can run here."""
    transformers_logging.disable_progress_bar()  # it would write over ours
    check_weights(Path(checkpoint))
    for adapter in adapters:
        check_own(adapter)
    dtype = pick_dtype(model.dtype, device)
    quantised = quantisation_config(model.quantisation, dtype)
    # Quantised weights are made on their device and cannot be moved there.
    placed: dict[str, Any] = {} if quantised is None else {"quantization_config": quantised, "device_map": {"": device}}
    with loading(checkpoint, device):
        loaded, info = Qwen3VLForConditionalGeneration.from_pretrained(
            checkpoint,
            dtype=dtype,
            attn_implementation=pick_attention(model.attention, device, dtype),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            **placed,
        )
        missing = sorted(info["missing_keys"])
        if missing:
            raise CheckpointError(
                f"{checkpoint} lacks {len(missing)} weights, such as {missing[0]}; copy the checkpoint again"
            )
        loaded.generation_config = plain_generation(loaded.generation_config, checkpoint)
        for index, adapter in enumerate(adapters):
            loaded = _with_adapter(loaded, adapter, f"adapter_{index}")
        if adapters:
            loaded.base_model.set_adapter([f"adapter_{index}" for index in range(len(adapters))])
        return (loaded if quantised is not None else loaded.to(device)).eval()


def check_own(adapter: str) -> None:
    """Raises CheckpointError for an adapter that must not or cannot be loaded, whatever it is for."""
    for line in adapter_refusals(Path(adapter)):
        raise CheckpointError(f"adapter {adapter} cannot be loaded: {line}")


def plain_generation(own: GenerationConfig, checkpoint: str) -> GenerationConfig:
    """The checkpoint's generation config without its sampling defaults, which must not leak into a request; an answer
    ends where the checkpoint's folder says. Raises CheckpointError."""
    said = said_ends(Path(checkpoint))
    if said is None:
        raise CheckpointError(f"{checkpoint} names no eos_token_id, so no answer would end; copy it from the base")
    return GenerationConfig(eos_token_id=said.facts["eos_token_id"], pad_token_id=own.pad_token_id, do_sample=False)


def end_tokens(generation: GenerationConfig) -> frozenset[int]:
    """The tokens that end an answer."""
    ends = generation.eos_token_id
    return frozenset(ends if isinstance(ends, list) else [ends])


def own_length(checkpoint: str) -> int:
    """Most tokens of one request by the checkpoint's own config. Raises CheckpointError."""
    check_code(Path(checkpoint))
    if read_json(Path(checkpoint) / CONFIG) is None:  # transformers would take its defaults
        raise CheckpointError(f"the config of {checkpoint} cannot be loaded: there is no {CONFIG}")
    with loading(f"the config of {checkpoint}"):
        config = Qwen3VLConfig.from_pretrained(checkpoint, local_files_only=True, trust_remote_code=False)
        return int(config.text_config.max_position_embeddings)


def longest_request(model: ModelConfig, own: int) -> int:
    """Most tokens of one request: what was configured, within what the checkpoint can."""
    return min(model.max_model_len or own, own)


def _with_adapter(model: Any, adapter: str, name: str) -> Any:
    with loading(f"adapter {adapter}"):
        if isinstance(model, PeftModel):
            model.load_adapter(adapter, adapter_name=name, is_trainable=False)
        else:
            model = PeftModel.from_pretrained(model, adapter, adapter_name=name, is_trainable=False)
    check_loaded(model, name, adapter)
    return model


def check_loaded(model: Any, name: str, adapter: str) -> None:
    """Raises CheckpointError if weights of an adapter that was loaded found no place, or places found no weights."""
    wrong = list(differences(model, name, Path(adapter)))
    if wrong:
        raise CheckpointError(f"adapter {adapter} does not fit the checkpoint: {'; '.join(wrong)}")
