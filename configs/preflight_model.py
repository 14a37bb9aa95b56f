"""What can be wrong with the model part of a configuration: folders, devices, budgets, engines.

Looks at the file system and at JSON headers only; loads no model, opens no connection.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from configs.devices import cuda_device_count
from configs.errors import Fault
from configs.parts import EndpointConfig, EngineConfig, MergeConfig, ModelConfig

PROMPTS_DIR = Path(__file__).parent / "prompts"
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")
SERVERS = {
    "vllm": "make vllm-server CHECKPOINT=/models/...",
    "sglang": "python -m sglang.launch_server",
    "lmdeploy": "lmdeploy serve api_server",
}
"""Back ends of ms-swift whose packages want another torch than ours, and how each is started as a server of its own."""

LEAST_VISUAL_TOKENS = 4


def check_model(
    model: ModelConfig, merge: MergeConfig, engine: EngineConfig, device: str, skip: frozenset[str] = frozenset()
) -> Iterator[Fault]:
    """Everything wrong with which model is run where. `skip` names fields that are already known to be faulty."""
    if "model" in skip:
        return
    if "model.base" not in skip:
        yield from _base(model, engine)
    if model.merged is not None and "model.merged" not in skip:
        yield from _checkpoint("model.merged", model.merged)
        if model.adapters:
            yield Fault("model.adapters", "are in the merged checkpoint already", "leave adapters or merged out")
    if not any(name.startswith("model.adapters") for name in skip):
        for adapter in model.adapters:
            yield from _adapter(adapter)
    if merge.enabled and not model.adapters:
        yield Fault("merge.enabled", "there are no adapters to merge", "give adapters, or leave it out")
    if "device" not in skip:
        yield from _device(device)
    yield from _engine(engine)
    if model.quantisation != "none" and "model.quantisation" not in skip:
        yield from _quantisation(model, engine, device)


def check_budget(model: ModelConfig, prompt: str, new: int, where: str) -> Iterator[Fault]:
    """Whether a question of the prompt files `<prompt>_*.md`, the smallest photo and an answer of `new` tokens fit the
    model; `where` is the field that holds `new`."""
    if model.min_pixels is not None and model.min_pixels > model.max_pixels:
        yield Fault("model.min_pixels", f"{model.min_pixels} is more than max_pixels {model.max_pixels}", "lower it")
    # Chinese text is seldom denser than two characters a token; the engine counts exactly, photo by photo.
    asked = sum(len(path.read_text(encoding="utf-8")) for path in PROMPTS_DIR.glob(f"{prompt}_*.md")) // 2
    need = LEAST_VISUAL_TOKENS + asked + new
    text = (read_json(Path(model.merged or model.base or ".") / "config.json") or {}).get("text_config", {})
    positions = text.get("max_position_embeddings") if isinstance(text, dict) else None
    limit = model.max_model_len or positions
    if limit is not None and need > limit:
        yield Fault(
            "model.max_model_len",
            f"{limit} cannot hold a prompt of about {asked}, the smallest photo and {where} {new}",
            f"raise it to {need}, or lower {where}",
        )
    if model.max_model_len and positions and model.max_model_len > positions:
        yield Fault(
            "model.max_model_len",
            f"{model.max_model_len} is more than the checkpoint's {positions} positions",
            f"lower it to {positions}",
        )


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None if there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _base(model: ModelConfig, engine: EngineConfig) -> Iterator[Fault]:
    if model.base:
        yield from _checkpoint("model.base", model.base)
    elif model.merged is None and engine.kind != "endpoint":
        yield Fault("model.base", "is not given", "give the directory of a Qwen3-VL checkpoint: --checkpoint")


def _checkpoint(where: str, checkpoint: str) -> Iterator[Fault]:
    folder = Path(checkpoint)
    if not folder.is_dir():
        yield Fault(where, f"there is no folder {checkpoint}", "give a local directory; hubs are never asked")
        return
    config = read_json(folder / "config.json")
    if config is None:
        yield Fault(where, f"{folder}/config.json is missing or not JSON", "give a complete checkpoint")
    elif config.get("model_type") != "qwen3_vl":
        yield Fault(where, f"{folder} is a {config.get('model_type')!r}", "give a qwen3_vl checkpoint")
    if not any(folder.glob("*.safetensors")):
        yield Fault(where, f"{folder} holds no *.safetensors", "other weight formats are not loaded")
    if not (folder / "tokenizer.json").is_file():
        yield Fault(where, f"{folder}/tokenizer.json is missing", "copy it from the base checkpoint")
    if not any((folder / name).is_file() for name in PROCESSOR_FILES):
        yield Fault(where, f"{folder} has no {' or '.join(PROCESSOR_FILES)}", "copy it from the base checkpoint")


def _adapter(adapter: str) -> Iterator[Fault]:
    folder = Path(adapter)
    if not folder.is_dir():
        yield Fault("model.adapters", f"there is no folder {adapter}", "give local directories of LoRA adapters")
    elif read_json(folder / "adapter_config.json") is None:
        yield Fault("model.adapters", f"{folder}/adapter_config.json is missing or not JSON", "give a PEFT adapter")
    elif not (folder / "adapter_model.safetensors").is_file():
        yield Fault("model.adapters", f"{folder}/adapter_model.safetensors is missing", "give a complete PEFT adapter")


def check_devices(devices: Sequence[str]) -> Iterator[Fault]:
    """Everything wrong with a fleet."""
    for device in devices:
        for fault in _device(device):
            yield Fault("devices", fault.what, fault.cure)
    if len(devices) > 1 and "auto" in devices:
        yield Fault("devices", "auto is one of several", "name each device")
    if len({device.partition(":")[0] for device in devices} - {"auto"}) > 1:
        yield Fault("devices", "are of different kinds, whose texts need not be the same", "give cuda or cpu alone")
    if len(set(devices)) < len(devices):
        yield Fault("devices", "names a device twice", "name each once")


def _device(device: str) -> Iterator[Fault]:
    if not device.startswith("cuda"):
        return
    count = cuda_device_count()
    index = int(device.partition(":")[2] or 0)
    if count == 0:
        yield Fault("device", f"{device} asked for, but the driver offers no CUDA device", "use cpu or auto")
    elif index >= count:
        yield Fault("device", f"{device} asked for, but there are {count}", f"use cuda:0 to cuda:{count - 1}")


def _engine(engine: EngineConfig) -> Iterator[Fault]:
    if engine.kind != "swift" and engine.backend != "transformers":
        yield Fault("engine.backend", f"{engine.backend} belongs to kind swift", "give --engine-kind swift")
    if engine.kind == "swift" and engine.backend in SERVERS and find_spec(engine.backend) is None:
        server = f"start a server of its own ({SERVERS[engine.backend]}) and give --engine-kind endpoint"
        yield Fault("engine.backend", f"the package {engine.backend} cannot be in this environment", server)
    if engine.kind != "endpoint":
        return
    yield from _endpoint(engine.endpoint)


def _endpoint(endpoint: EndpointConfig) -> Iterator[Fault]:
    url = urlsplit(endpoint.url)
    if not endpoint.url:
        yield Fault("engine.endpoint.url", "is not given", "give the server's base URL, such as http://gpu-7:8000/v1")
    elif url.scheme not in ("http", "https") or not url.hostname:
        yield Fault("engine.endpoint.url", "is not an http(s) URL", "give one such as http://gpu-7:8000/v1")
    elif url.username or url.password:
        yield Fault("engine.endpoint.url", "holds a user or a password", "give the key as engine.endpoint.api_key")
    elif url.path.rstrip("/").endswith(("/completions", "/models")):
        yield Fault("engine.endpoint.url", f"{endpoint.url} is one of the server's calls", "end it after /v1")
    if endpoint.timeout_seconds > endpoint.deadline_seconds / 2:
        yield Fault(
            "engine.endpoint.timeout_seconds",
            f"{endpoint.timeout_seconds:g} is more than half of deadline_seconds {endpoint.deadline_seconds:g}: a "
            "server that hangs would not be asked again",
            f"lower it to {endpoint.deadline_seconds / 2:g}, or raise deadline_seconds",
        )


def _quantisation(model: ModelConfig, engine: EngineConfig, device: str) -> Iterator[Fault]:
    where, asked = "model.quantisation", model.quantisation
    if engine.kind == "endpoint":
        yield Fault(where, "the server decides it", "leave it out, or start the server with it")
    elif device == "cpu" or cuda_device_count() == 0:
        yield Fault(where, f"{asked} needs a CUDA device", "use none here, or a machine with a GPU")
    elif find_spec("bitsandbytes") is None:
        yield Fault(where, f"{asked} needs the package bitsandbytes", "pip install bitsandbytes")
