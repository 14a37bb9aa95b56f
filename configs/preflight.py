"""What can be wrong with a setting beyond its type: missions, photos, folders, stores, manifests.

Looks at the file system only; opens no connection. What can be wrong with a model is in `configs.preflight_model`. Each
kind of configuration says which of these it looks at.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from configs.errors import ConfigError, Fault
from configs.missions import known_missions, nearest
from configs.stores import LocalLocation, key_fault, parse_store_uri


def check_mission(mission: str) -> Iterator[Fault]:
    """A mission must be given, and known."""
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


def check_any_mission(mission: str) -> Iterator[Fault]:
    """A mission must be given; one that is not known must be the name of a folder."""
    if not mission:
        yield from check_mission(mission)
    elif mission not in _mission_names():
        yield from check_folder_name("mission", mission)


def check_folder_name(where: str, name: str) -> Iterator[Fault]:
    """A name must be that of one folder."""
    fault = "it has a slash" if {"/", "\\"} & {*name} else key_fault(name)
    if fault:
        yield Fault(where, f"{name!r} cannot name a folder: {fault}", "give one folder's name")


def check_photo(image: str) -> Iterator[Fault]:
    """A photo must be given, and there."""
    if not image:
        yield Fault("image", "is not given", "give a photo")
    elif not Path(image).is_file():
        yield Fault("image", f"there is no file {image}", "give a photo")


def check_file(where: str, path: str | None, cure: str) -> Iterator[Fault]:
    """A file must be there, if one is given."""
    if path is not None and not Path(path).is_file():
        yield Fault(where, f"there is no file {path}", cure)


def check_font(path: str | None) -> Iterator[Fault]:
    """A font's file must be there, if one is given."""
    return check_file("font", path, "give a font file with Chinese characters, or leave it out")


def check_input_root(uri: str, mission: str | None = None) -> Iterator[Fault]:
    """The folder of photos must be given, and there; of a known mission, so must be the mission's folder in it."""
    if not uri:
        yield Fault("input_root", "is not given", "give the folder that holds the photos")
        return
    try:
        location = parse_store_uri(uri)
    except ValueError as error:
        yield Fault("input_root", str(error))
        return
    if not isinstance(location, LocalLocation):
        return
    root = Path(location.path).expanduser()
    if not root.is_dir():
        yield Fault("input_root", f"there is no folder {uri}", "give the folder that holds the photos")
    elif mission in _mission_names() and not (root / str(mission)).is_dir():
        yield Fault("input_root", f"{root} has no folder {mission}", "photos belong in <root>/<mission>/...")


def check_store(uri: str) -> Iterator[Fault]:
    """A store must be given, and be where a store can be; a directory need not be there yet."""
    if not uri:
        yield Fault("store", "is not given", "give a directory or s3://bucket/prefix")
        return
    try:
        location = parse_store_uri(uri)
    except ValueError as error:
        yield Fault("store", str(error))
        return
    if isinstance(location, LocalLocation):
        path = Path(location.path).expanduser()
        occupied = next((place for place in (path, *path.parents) if place.exists()), None)
        if occupied is not None and not occupied.is_dir():
            yield Fault("store", f"{occupied} is a file", "give a directory; it is made if it is not there")


def check_manifest(uri: str) -> Iterator[Fault]:
    """A published run's manifest, or its mission's pointer, must be given, and there if it is on a disk."""
    if not uri:
        yield Fault("manifest", "is not given", "give the URI of a manifest.json")
        return
    if not uri.endswith(("/manifest.json", "/latest.json")):
        cure = "give the URI that ends in /manifest.json, or in /latest.json for the newest run"
        yield Fault("manifest", f"{uri} is not a manifest", cure)
        return
    try:
        # Of block://name/key only the name says where the store is.
        location = parse_store_uri("/".join(uri.split("/")[:3]) if uri.startswith("block://") else uri)
    except ValueError as error:
        yield Fault("manifest", str(error))
        return
    if isinstance(location, LocalLocation) and not Path(location.path).expanduser().is_file():
        yield Fault("manifest", f"there is no file {uri}", "give the path that a Stage-A run printed")


def _mission_names() -> frozenset[str]:
    """Names of the missions; none if their files are at fault, which is said elsewhere."""
    try:
        return frozenset(known_missions())
    except ConfigError:
        return frozenset()
