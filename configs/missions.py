"""Missions: the inspection programmes, one YAML file each. Knows nothing of photos or prompts."""

from __future__ import annotations

import difflib
from functools import lru_cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from configs.errors import ConfigError, Fault

MISSIONS_DIR = Path(__file__).parent / "missions"


class Mission(BaseModel):
    """One inspection programme, as its YAML file describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        min_length=1, max_length=60, pattern=r"^[^/\\\x00-\x1f]+$", description="Chinese name; the identifier."
    )
    slug: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", description="ASCII name for deployments; the file's stem.")
    focus: str = Field(min_length=1, description="What Stage-A looks at; goes into the prompt.")
    requires: tuple[str, ...] = Field(min_length=1, description="What Stage-B requires for a pass, one clause each.")


def load_missions(folder: Path = MISSIONS_DIR) -> dict[str, Mission]:
    """All missions of a folder by name, in the order of their file names.

    Raises ConfigError naming every file that is not a mission, and names given twice.
    """
    missions: dict[str, Mission] = {}
    faults: list[Fault] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            mission = Mission.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            faults.append(Fault(str(path), f"not YAML in UTF-8: {error}"))
            continue
        except ValidationError as error:
            faults.extend(Fault(f"{path}: {'.'.join(map(str, item['loc']))}", item["msg"]) for item in error.errors())
            continue
        if mission.slug != path.stem:
            faults.append(Fault(str(path), f"slug is {mission.slug!r}", f"name the file {mission.slug}.yaml"))
        if mission.name in missions:
            faults.append(Fault(str(path), f"mission {mission.name!r} is defined twice"))
        missions[mission.name] = mission
    if faults:
        raise ConfigError(faults)
    return missions


@lru_cache(maxsize=1)
def known_missions() -> dict[str, Mission]:
    """The missions that ship in `configs/missions/`, read once."""
    return load_missions()


def nearest(name: str, missions: dict[str, Mission], limit: int = 3) -> list[str]:
    """The mission names most like `name`, best first: by the characters in common, then by slug."""
    by_slug = {mission.slug: mission.name for mission in missions.values()}
    close = difflib.get_close_matches(name, [*missions, *by_slug], n=limit, cutoff=0.4)
    return list(dict.fromkeys(by_slug.get(found, found) for found in close))
