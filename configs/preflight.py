"""What can be wrong with a configuration beyond its types: paths, missions, budgets, devices, stores.

Looks at the file system and at JSON headers only; loads no model, opens no connection.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from configs.devices import cuda_device_count
from configs.errors import ConfigError, Fault
from configs.missions import known_missions, nearest
from configs.parts import VISUAL_TOKEN_PIXELS
from configs.stage_a import StageAConfig, split_quarantine_uri
from configs.stage_b import StageBConfig, VerifyConfig
from configs.stores import LocalLocation, key_fault, parse_store_uri

PROMPTS_DIR = Path(__file__).parent / "prompts"
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")


def check_stage_a(config: StageAConfig, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
    """Everything wrong with a Stage-A configuration. `skip` names fields that are already known to be faulty."""
    if config.requeue is not None:
        told = list(_requeue(config, config.requeue))
        yield from told
        # Store and mission are the quarantine's: without one, it is not they that are missing.
        skip |= {name for name in ("mission", "store") if told and not getattr(config, name)}
    if "mission" not in skip:
        yield from _mission(config)
    if "input_root" not in skip:
        yield from _input_root(config)
    if "store" not in skip:
        yield from _store("store", config.store)
    if "checkpoint" not in skip:
        yield from _checkpoint(config.checkpoint)
    if "adapters" not in skip:
        for adapter in config.adapters:
            yield from _adapter(adapter)
    if "device" not in skip:
        yield from _device(config.device)
    yield from _budgets(config)
    if config.answer_key is not None and not Path(config.answer_key).is_file():
        yield Fault("answer_key", f"there is no file {config.answer_key}", "give a JSON file, or leave it out")


def check_stage_b(config: StageBConfig, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
    """Everything wrong with a Stage-B configuration."""
    yield from check_verify(config, skip)
    if config.store is not None and "store" not in skip:
        yield from _store("store", config.store)


def check_verify(config: VerifyConfig, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
    """Everything wrong with the name of a published run."""
    if "manifest" not in skip:
        if not config.manifest:
            yield Fault("manifest", "is not given", "give the URI of a manifest.json")
        elif not config.manifest.endswith("/manifest.json"):
            yield Fault("manifest", f"{config.manifest} is not a manifest", "give the URI that ends in /manifest.json")
        else:
            yield from _manifest(config.manifest)


def _manifest(uri: str) -> Iterator[Fault]:
    try:
        location = parse_store_uri(uri)
    except ValueError as error:
        yield Fault("manifest", str(error))
        return
    if isinstance(location, LocalLocation) and not Path(location.path).expanduser().is_file():
        yield Fault("manifest", f"there is no file {uri}", "give the path that a Stage-A run printed")


def _mission(config: StageAConfig) -> Iterator[Fault]:
    try:
        missions = known_missions()
    except ConfigError as error:
        yield from error.faults
        return
    if not config.mission:
        yield Fault("mission", "is not given", f"known missions: {', '.join(missions)}")
    elif config.mission not in missions:
        if config.no_mission:
            fault = "it has a slash" if {"/", "\\"} & {*config.mission} else key_fault(config.mission)
            if fault:
                yield Fault("mission", f"{config.mission!r} cannot name a folder: {fault}", "give one folder's name")
            return
        near = nearest(config.mission, missions)
        cure = f"did you mean {' or '.join(near)}?" if near else f"known missions: {', '.join(missions)}"
        yield Fault("mission", f"there is no mission {config.mission!r}", cure)


def _requeue(config: StageAConfig, uri: str) -> Iterator[Fault]:
    try:
        _, mission, _ = split_quarantine_uri(uri)
        location = parse_store_uri(uri)
    except ValueError as error:
        yield Fault("requeue", f"{uri} is no quarantine of a run: {error}")
        return
    if isinstance(location, LocalLocation) and not Path(location.path).expanduser().is_file():
        yield Fault("requeue", f"there is no file {uri}", "give the quarantine.jsonl beside a run's manifest.json")
    if config.mission and mission != config.mission:
        yield Fault("requeue", f"{uri} is of mission {mission!r}, not {config.mission!r}", "leave mission out")
    if config.force:
        yield Fault("force", "redoes every photo, and requeue only what was quarantined", "leave one of them out")


def _input_root(config: StageAConfig) -> Iterator[Fault]:
    if not config.input_root:
        yield Fault("input_root", "is not given", "give the folder that holds the missions' photos")
        return
    try:
        location = parse_store_uri(config.input_root)
    except ValueError as error:
        yield Fault("input_root", str(error))
        return
    if not isinstance(location, LocalLocation):
        return
    root = Path(location.path).expanduser()
    if not root.is_dir():
        yield Fault("input_root", f"there is no folder {config.input_root}", "give the folder that holds the missions")
    elif config.mission in _mission_names() and not (root / config.mission).is_dir():
        yield Fault("input_root", f"{root} has no folder {config.mission}", "photos belong in <root>/<mission>/...")


def _mission_names() -> frozenset[str]:
    """Names of the missions; none if their files are at fault, which is said elsewhere."""
    try:
        return frozenset(known_missions())
    except ConfigError:
        return frozenset()


def _store(field: str, uri: str) -> Iterator[Fault]:
    if not uri:
        yield Fault(field, "is not given", "give a directory or s3://bucket/prefix")
        return
    try:
        location = parse_store_uri(uri)
    except ValueError as error:
        yield Fault(field, str(error))
        return
    if field == "store" and isinstance(location, LocalLocation):
        path = Path(location.path).expanduser()
        occupied = next((place for place in (path, *path.parents) if place.exists()), None)
        if occupied is not None and not occupied.is_dir():
            yield Fault(field, f"{occupied} is a file", "give a directory; it is made if it is not there")


def _checkpoint(checkpoint: str) -> Iterator[Fault]:
    if not checkpoint:
        yield Fault("checkpoint", "is not given", "give the directory of a Qwen3-VL checkpoint")
        return
    folder = Path(checkpoint)
    if not folder.is_dir():
        yield Fault("checkpoint", f"there is no folder {checkpoint}", "give a local directory; hubs are never asked")
        return
    config = _json(folder / "config.json")
    if config is None:
        yield Fault("checkpoint", f"{folder}/config.json is missing or not JSON", "give a complete checkpoint")
    elif config.get("model_type") != "qwen3_vl":
        yield Fault("checkpoint", f"{folder} is a {config.get('model_type')!r}", "give a qwen3_vl checkpoint")
    if not any(folder.glob("*.safetensors")):
        yield Fault("checkpoint", f"{folder} holds no *.safetensors", "other weight formats are not loaded")
    if not (folder / "tokenizer.json").is_file():
        yield Fault("checkpoint", f"{folder}/tokenizer.json is missing", "copy it from the base checkpoint")
    if not any((folder / name).is_file() for name in PROCESSOR_FILES):
        yield Fault("checkpoint", f"{folder} has no {' or '.join(PROCESSOR_FILES)}", "copy it from the base checkpoint")


def _adapter(adapter: str) -> Iterator[Fault]:
    folder = Path(adapter)
    if not folder.is_dir():
        yield Fault("adapters", f"there is no folder {adapter}", "give local directories of LoRA adapters")
    elif _json(folder / "adapter_config.json") is None:
        yield Fault("adapters", f"{folder}/adapter_config.json is missing or not JSON", "give a PEFT adapter")
    elif not (folder / "adapter_model.safetensors").is_file():
        yield Fault("adapters", f"{folder}/adapter_model.safetensors is missing", "give a complete PEFT adapter")


def _device(device: str) -> Iterator[Fault]:
    if not device.startswith("cuda"):
        return
    count = cuda_device_count()
    index = int(device.partition(":")[2] or 0)
    if count == 0:
        yield Fault("device", f"{device} asked for, but the driver offers no CUDA device", "use cpu or auto")
    elif index >= count:
        yield Fault("device", f"{device} asked for, but there are {count}", f"use cuda:0 to cuda:{count - 1}")


def _budgets(config: StageAConfig) -> Iterator[Fault]:
    model, new = config.model, config.generation.max_new_tokens
    if model.min_pixels is not None and model.min_pixels > model.max_pixels:
        yield Fault("model.min_pixels", f"{model.min_pixels} is more than max_pixels {model.max_pixels}", "lower it")
    visual = model.max_pixels // VISUAL_TOKEN_PIXELS
    # Chinese text is seldom denser than two characters a token; the engine counts exactly, photo by photo.
    prompt = sum(len(path.read_text(encoding="utf-8")) for path in PROMPTS_DIR.glob("summary_*.md")) // 2
    need = visual + prompt + new
    text = (_json(Path(config.checkpoint or ".") / "config.json") or {}).get("text_config", {})
    positions = text.get("max_position_embeddings") if isinstance(text, dict) else None
    limit = model.max_model_len or positions
    if limit is not None and need > limit:
        yield Fault(
            "model.max_model_len",
            f"{limit} cannot hold {visual} visual tokens (max_pixels {model.max_pixels}), "
            f"a prompt of about {prompt} and max_new_tokens {new}",
            f"raise it to {need}, or lower max_pixels or max_new_tokens",
        )
    if model.max_model_len and positions and model.max_model_len > positions:
        yield Fault(
            "model.max_model_len",
            f"{model.max_model_len} is more than the checkpoint's {positions} positions",
            f"lower it to {positions}",
        )


def _json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
