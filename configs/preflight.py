"""What can be wrong with a configuration beyond its types: paths, missions, stores.

Looks at the file system only; opens no connection. What can be wrong with a model is in `configs.preflight_model`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from configs.checkpoints import InspectConfig, MergeCheckpointConfig
from configs.dense import DenseCaptionConfig
from configs.errors import ConfigError, Fault
from configs.missions import known_missions, nearest
from configs.parts import EngineConfig
from configs.photo import CaptionConfig, PhotoConfig, SummarizeConfig
from configs.preflight_model import check_budget, check_devices, check_model
from configs.preflight_spread import check_spread
from configs.stage_a import StageAConfig, split_quarantine_uri
from configs.stage_b import StageBConfig, VerifyConfig
from configs.stores import LocalLocation, key_fault, parse_store_uri
from configs.work import WorkConfig


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
    yield from _work(config, skip)
    yield from check_budget(config.model, "summary", config.generation.max_new_tokens, "generation.max_new_tokens")
    yield from _file("answer_key", config.answer_key, "give a JSON file, or leave it out")


def check_summarize(config: SummarizeConfig, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
    """Everything wrong with what one photo's summary is told."""
    if config.mission and "mission" not in skip:
        yield from _known(config.mission)
    yield from _photo(config, skip)
    yield from check_budget(config.model, "summary", config.generation.max_new_tokens, "generation.max_new_tokens")


def check_caption(config: CaptionConfig, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
    """Everything wrong with what one photo's caption is told."""
    yield from _photo(config, skip)
    yield from check_budget(config.model, "dense", config.dense.max_new_tokens, "dense.max_new_tokens")
    yield from _file("font", config.font, "give a font file with Chinese characters, or leave it out")
    if config.overlay is not None and not Path(config.overlay).absolute().parent.is_dir():
        yield Fault("overlay", f"there is no folder {Path(config.overlay).parent}", "make it first")


def check_dense_caption(config: DenseCaptionConfig, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
    """Everything wrong with a run of dense captions."""
    if "input_root" not in skip:
        yield from _folder(config.input_root)
    if "store" not in skip:
        yield from _store("store", config.store)
    if config.name and "name" not in skip:
        yield from _one_folder("name", config.name)
    yield from _work(config, skip)
    yield from check_budget(config.model, "dense", config.dense.max_new_tokens, "dense.max_new_tokens")
    yield from _file("font", config.font, "give a font file with Chinese characters, or leave it out")
    yield from _file("dense_key", config.dense_key, "give a JSON file, or leave it out")


def check_merge(config: MergeCheckpointConfig, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
    """Everything wrong with a merge."""
    yield from check_model(config.model, config.merge, EngineConfig(), config.device, skip)
    if config.model.merged is not None:
        yield Fault("model.merged", "is what a merge makes", "leave it out")
    elif not config.model.adapters and "model.adapters" not in skip:
        yield Fault("model.adapters", "are not given", "give at least one LoRA adapter: --adapters")
    if config.merge.probe_photos is not None and not Path(config.merge.probe_photos).is_dir():
        yield Fault("merge.probe_photos", f"there is no folder {config.merge.probe_photos}", "give a folder of photos")


def check_inspect(config: InspectConfig, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
    """Everything wrong with what is to be looked at."""
    if not config.checkpoint:
        yield Fault("checkpoint", "is not given", "give the directory of a checkpoint or an adapter")
    for where, folder in (("checkpoint", config.checkpoint), ("base", config.base)):
        if folder and where not in skip and not Path(folder).is_dir():
            yield Fault(where, f"there is no folder {folder}", "give a local directory; hubs are never asked")


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


def _work(config: WorkConfig, skip: frozenset[str]) -> Iterator[Fault]:
    """What is wrong with the checkpoint, the devices and the machines of a run."""
    yield from check_model(config.model, config.merge, config.engine, config.fleet[0], skip)
    if not any(name.startswith("devices") for name in skip):
        yield from check_devices(config.devices)
    if not any(name.startswith("spread") for name in skip):
        yield from check_spread(config)


def _manifest(uri: str) -> Iterator[Fault]:
    try:
        # Of block://name/key only the name says where the store is.
        location = parse_store_uri("/".join(uri.split("/")[:3]) if uri.startswith("block://") else uri)
    except ValueError as error:
        yield Fault("manifest", str(error))
        return
    if isinstance(location, LocalLocation) and not Path(location.path).expanduser().is_file():
        yield Fault("manifest", f"there is no file {uri}", "give the path that a Stage-A run printed")


def _mission(config: StageAConfig) -> Iterator[Fault]:
    if not config.mission or not config.no_mission:
        yield from _known(config.mission)
    elif config.mission not in _mission_names():
        yield from _one_folder("mission", config.mission)


def _known(mission: str) -> Iterator[Fault]:
    try:
        missions = known_missions()
    except ConfigError as error:
        yield from error.faults
        return
    if not mission:
        yield Fault("mission", "is not given", f"known missions: {', '.join(missions)}")
    elif mission not in missions:
        near = nearest(mission, missions)
        cure = f"did you mean {' or '.join(near)}?" if near else f"known missions: {', '.join(missions)}"
        yield Fault("mission", f"there is no mission {mission!r}", cure)


def _one_folder(where: str, name: str) -> Iterator[Fault]:
    fault = "it has a slash" if {"/", "\\"} & {*name} else key_fault(name)
    if fault:
        yield Fault(where, f"{name!r} cannot name a folder: {fault}", "give one folder's name")


def _photo(config: PhotoConfig, skip: frozenset[str]) -> Iterator[Fault]:
    if not config.image:
        yield Fault("image", "is not given", "give a photo")
    elif not Path(config.image).is_file():
        yield Fault("image", f"there is no file {config.image}", "give a photo")
    yield from check_model(config.model, config.merge, config.engine, config.device, skip)


def _file(where: str, path: str | None, cure: str) -> Iterator[Fault]:
    if path is not None and not Path(path).is_file():
        yield Fault(where, f"there is no file {path}", cure)


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
    faults = list(_folder(config.input_root))
    yield from faults
    if faults or config.mission not in _mission_names():
        return
    location = parse_store_uri(config.input_root)
    if isinstance(location, LocalLocation):
        root = Path(location.path).expanduser()
        if not (root / config.mission).is_dir():
            yield Fault("input_root", f"{root} has no folder {config.mission}", "photos belong in <root>/<mission>/...")


def _folder(uri: str) -> Iterator[Fault]:
    if not uri:
        yield Fault("input_root", "is not given", "give the folder that holds the photos")
        return
    try:
        location = parse_store_uri(uri)
    except ValueError as error:
        yield Fault("input_root", str(error))
        return
    if isinstance(location, LocalLocation) and not Path(location.path).expanduser().is_dir():
        yield Fault("input_root", f"there is no folder {uri}", "give the folder that holds the photos")


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
