"""Missions: the inspection programmes, one YAML file each. Knows nothing of photos or prompts."""

from __future__ import annotations

import difflib
from functools import lru_cache
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from configs.errors import ConfigError, Fault
from configs.yamls import read_yaml

MISSIONS_DIR = Path(__file__).parent / "missions"
_CRON_FIELD = r"[0-9A-Za-z*,/#?-]+"
_CHECKS = "a check is a name and `exists: BBU设备`, or `every: {安装螺丝: 符合要求}`"


def _check_description(value: str) -> str:
    if any(sign in '×，,／："' or sign.isspace() for sign in value) or not all(value.split("/")):
        raise ValueError(
            f"{value!r} is no description: write it as in a summary, as 接地螺丝/位置:机柜侧, without a count"
        )
    return value


Description = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_check_description)]
"""A path as in a summary, a type and what is said of it."""


class Schedule(BaseModel):
    """When a mission's photos are read without anybody asking."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cron: str = Field(
        pattern=rf"^{_CRON_FIELD}( {_CRON_FIELD}){{4}}$",
        description="Minute, hour, day of the month, month, day of the week, with a space between.",
    )
    timezone: str = Field("Asia/Shanghai", description="Time zone of the cron line, as the tz database calls it.")

    @field_validator("timezone")
    @classmethod
    def _check_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)  # one file; the list of all zones takes a third of a second for the missions
        except (LookupError, OSError, ValueError) as error:
            raise ValueError(f"there is no time zone {value!r}: write one as Asia/Shanghai") from error
        return value


class Condition(BaseModel):
    """What must be together in one photo for a check to apply: so many of each, and nothing of `without`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    together: dict[Description, Annotated[int, Field(ge=1, le=99)]] = Field(
        min_length=1, description="How many of each description must be in one photo, at least."
    )
    without: tuple[Description, ...] = Field((), description="What must not be in it.")


class Check(BaseModel):
    """One thing that code can look up in the summaries: that something exists, or what is said of every such thing.

    With `when`, only of photos of which the condition holds. Descriptions are paths as in a summary:
    `接地螺丝/位置:机柜侧` is a 接地螺丝 of which that is said.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=60, description="What holds if it does, in Chinese; reports show it.")
    exists: Description | None = Field(None, description="What must be in at least one photo.")
    every: dict[Description, Description] | None = Field(
        None, min_length=1, description="What must be said of every such thing."
    )
    when: Condition | None = Field(None, description="In which photos it applies; without one, in all.")
    each_point: bool = Field(
        False, description="Required at every mounting point: with more photos than one, nobody can tell."
    )

    @model_validator(mode="after")
    def _ask_one_thing(self) -> Check:
        if (self.exists is None) == (self.every is None):
            raise ValueError(f"the check {self.name!r} must have either exists or every: write one check for each")
        return self


class Mission(BaseModel):
    """One inspection programme, as its YAML file describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        min_length=1, max_length=60, pattern=r"^[^/\\\x00-\x1f]+$", description="Chinese name; the identifier."
    )
    slug: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", description="ASCII name for deployments; the file's stem.")
    focus: str = Field(min_length=1, description="What Stage-A looks at; goes into the prompt.")
    requires: tuple[str, ...] = Field(min_length=1, description="What Stage-B requires for a pass, one clause each.")
    checks: tuple[Check, ...] = Field(
        (),
        description="What code looks up in the summaries beside the judge. It never decides: where it disagrees, a "
        "person looks. So guidance that asks for more or less than this can only send groups to a person.",
    )
    schedule: Schedule | None = Field(None, description="When it runs by itself; without one, only when it is asked.")

    @field_validator("checks")
    @classmethod
    def _name_checks_apart(cls, value: tuple[Check, ...]) -> tuple[Check, ...]:
        names = [check.name for check in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two checks are called {twice[0]!r}: give each a name of its own")
        return value


def load_missions(folder: Path = MISSIONS_DIR) -> dict[str, Mission]:
    """All missions of a folder by name, in the order of their file names.

    Raises ConfigError naming every file that is not a mission, and names given twice.
    """
    missions: dict[str, Mission] = {}
    faults: list[Fault] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            mission = Mission.model_validate(read_yaml(path))
        except ConfigError as error:
            faults += error.faults
            continue
        except ValidationError as error:
            for item in error.errors():
                cure = _CHECKS if item["loc"][:1] == ("checks",) else ""
                faults.append(Fault(f"{path}: {'.'.join(map(str, item['loc']))}", item["msg"], cure))
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


class MissionNames:
    """Annotates a mission's name, or none: in the form of a deployment it is chosen from the known ones.

    Only the form is bound to them: with `no_mission` the command line takes any folder. The form has no
    "none" to choose: Prefect would hide the names behind a switch between types.
    """

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema of a text, with the names as its only values."""
        return {"type": "string", "enum": list(known_missions())}
