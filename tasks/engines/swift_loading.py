"""Open ms-swift's inference engines: offline, quiet, and without a checkpoint's own code. Knows no request."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging as transformers_logging

from configs.parts import EngineConfig, ModelConfig
from configs.preflight_model import SERVERS
from tasks.engines.folders.admission import check_loadable
from tasks.engines.folders.files import ADAPTER_CONFIG, read_json
from tasks.engines.folders.weights import strays
from tasks.engines.loading import (
    check_loaded,
    check_own,
    check_quantisation,
    loading,
    pick_attention,
    pick_device,
    pick_dtype,
    plain_generation,
    quantisation_config,
)
from tasks.records.errors import CheckpointError, EngineError, EngineMissing

MODEL_TYPE = "qwen3_vl"
"""ms-swift's name of the architecture. It cannot tell it from the folder of an adapter without ms-swift's own file."""


def open_swift(
    checkpoint: str, adapters: Sequence[str], device: str, model: ModelConfig, engine: EngineConfig, most: int
) -> Any:
    """One of ms-swift's engines with the checkpoint loaded; `most` is the most tokens of a request.

    Raises CheckpointError, DeviceOutOfMemory, EngineError, and EngineMissing when a package is not installed.
    """
    check_packages(engine.backend)
    folders = [str(_local(folder)) for folder in (checkpoint, *adapters)]
    _check_folders(folders, engine.backend)
    place = pick_device(device)
    dtype = pick_dtype(model.dtype, place)
    if engine.backend != "transformers":
        _check_server_back_end(engine.backend, device, model, adapters)
    common = {"model_type": MODEL_TYPE, "torch_dtype": dtype, "use_hf": True}
    with loading(f"{checkpoint}, by ms-swift with {engine.backend},", place), _quiet():
        if engine.backend == "transformers":
            return _transformers(folders, place, model, engine, common)
        return _server(folders, engine, most, common)


def _transformers(
    folders: list[str], place: torch.device, model: ModelConfig, engine: EngineConfig, common: dict[str, Any]
) -> Any:
    from swift.infer_engine import TransformersEngine
    from swift.model.register import ModelLoader

    ModelLoader.default_trust_remote_code = False  # ms-swift has no setting for it
    check_quantisation(model.quantisation, place)
    names = [f"adapter_{index}" for index in range(len(folders) - 1)]
    loaded = TransformersEngine(
        folders[0],
        adapters=folders[1:],
        adapter_names=names or None,
        max_batch_size=engine.batch_size,
        attn_impl=pick_attention(model.attention, place, common["torch_dtype"]),
        device_map=str(place),
        quantization_config=quantisation_config(model.quantisation, common["torch_dtype"]),
        model_kwargs={"use_safetensors": True},
        **common,
    )
    for name, adapter in zip(names, folders[1:], strict=True):
        check_loaded(loaded.model, name, adapter)
    if names:
        loaded.model.base_model.set_adapter(names)
    # What ms-swift leaves open in a request it takes from here.
    loaded.generation_config = plain_generation(loaded.model.generation_config, folders[0])
    return loaded


def _server(folders: list[str], engine: EngineConfig, most: int, common: dict[str, Any]) -> Any:
    if engine.backend == "vllm":
        from swift.infer_engine import VllmEngine

        lora: dict[str, Any] = {"max_lora_rank": _rank(folders[1])} if len(folders) > 1 else {}
        return VllmEngine(
            folders[0],
            adapters=folders[1:],
            max_model_len=most,
            max_num_seqs=engine.batch_size,
            limit_mm_per_prompt={"image": 1, "video": 0},
            **lora,
            **common,
        )
    if engine.backend == "sglang":
        from swift.infer_engine import SglangEngine

        return SglangEngine(folders[0], context_length=most, **common)
    from swift.infer_engine import LmdeployEngine

    return LmdeployEngine(folders[0], session_len=most, **common)


def check_packages(backend: str) -> None:
    """Raises EngineMissing where ms-swift, or the package of one of its back ends, is not installed."""
    for module, package in (("swift", "ms-swift"), ("qwen_vl_utils", "qwen-vl-utils")):
        if find_spec(module) is None:
            raise EngineMissing(
                f"engine kind swift needs the package {package}; pip install {package}, or use engine kind transformers"
            )
    if backend in SERVERS and find_spec(backend) is None:
        raise EngineMissing(
            f"ms-swift's back end {backend} needs the package {backend}, which wants another torch than this "
            f"environment has; start a server in an environment of its own ({SERVERS[backend]}) and use "
            "engine kind endpoint, or use engine.backend transformers"
        )


def _check_server_back_end(backend: str, device: str, model: ModelConfig, adapters: Sequence[str]) -> None:
    if device.startswith("cuda:"):
        raise EngineError(f"back end {backend} picks its device itself; use device cuda and set CUDA_VISIBLE_DEVICES")
    if model.quantisation != "none":
        raise EngineError(f"model.quantisation works with back end transformers alone, not with {backend}")
    if model.attention != "auto":
        raise EngineError(f"back end {backend} picks its attention kernel itself; use model.attention auto")
    if len(adapters) > (1 if backend == "vllm" else 0):
        raise EngineError(f"back end {backend} cannot run {len(adapters)} adapters; merge them first (merge.enabled)")


def _local(folder: str) -> Path:
    """The absolute path of a folder. Anything else ms-swift would look for on a hub."""
    path = Path(folder).resolve()
    if not path.is_dir():
        raise CheckpointError(f"{folder} is not a directory")
    return path


def _check_folders(folders: list[str], backend: str) -> None:
    """Raises CheckpointError before ms-swift, which trusts every folder, sees one that it must not."""
    served = backend != "transformers"
    check_loadable(Path(folders[0]), served=served)
    for adapter in folders[1:]:
        check_own(adapter)
    more = strays(Path(folders[0])) if served else []
    if more:
        raise CheckpointError(f"{folders[0]} also holds {more[0]}, which {backend} may load too; move it elsewhere")


def _rank(adapter: str) -> int:
    """The LoRA rank to make room for: vLLM knows powers of two from 8 on."""
    rank = int((read_json(Path(adapter) / ADAPTER_CONFIG) or {}).get("r", 16))
    return max(8, 1 << (rank - 1).bit_length())


@contextmanager
def _quiet() -> Iterator[None]:
    """ms-swift logs its settings line by line, has its libraries warn of what it calls them with, and silences the root
    logger's handlers; from here on it may tell errors alone."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    handlers = [(handler, handler.level) for handler in logging.getLogger().handlers]
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        with warnings.catch_warnings(action="ignore"):
            from swift.utils import get_logger

            get_logger().setLevel(logging.ERROR)
            yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        for handler, level in handlers:
            handler.setLevel(level)
