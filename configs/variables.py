"""Settings as variables: what the environment and `.env` may name, and what is wrong with either. Knows no step.

A variable is FIELDCHECK_ and a setting's path, with two underscores for each dot: FIELDCHECK_GENERATION__SEED. Whatever
else begins with FIELDCHECK_ is a fault, for it would be ignored without a word; an empty variable counts as unset.
"""

from __future__ import annotations

import difflib
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import BaseModel

from configs.errors import ConfigError, Fault
from configs.yamls import MOST_BYTES, decode

ENV_PREFIX = "FIELDCHECK_"
DOTENV = ".env"

OWN = frozenset(
    {"ALERT_URL", "EMBEDDED", "FUZZ", "HOME", "IMAGE", "NIGHTS", "PROFILE", "SITE", "SITE_PROFILE", "VERSION"}
)
"""Variables of ours that are no settings: of the site, of deployments, of tests."""
_OF_TESTS = "TEST_"

SHORTCUTS = {
    "model.base": "checkpoint",
    "model.adapters": "adapters",
    "model.merged": "merged",
    "model.quantisation": "quantisation",
    "merge.enabled": "merge",
    "engine.kind": "engine-kind",
    "engine.endpoint.url": "endpoint",
    "generation.max-new-tokens": "max-new-tokens",
    "generation.temperature": "temperature",
    "generation.top-p": "top-p",
    "generation.seed": "seed",
    "model.dtype": "dtype",
    "model.max-pixels": "max-pixels",
    "model.max-model-len": "max-model-len",
    "engine.batch-size": "batch-size",
    "inputs.markers": "markers",
    "publishing.partial-groups": "partial-groups",
    "publishing.max-quarantine-fraction": "max-quarantine-fraction",
    "publishing.wait-seconds": "wait-seconds",
    "s3.endpoint-url": "endpoint-url",
    "s3.region": "region",
}
"""Short flags for what people type most; the long ones work too. They are no variables."""


@dataclass(frozen=True, slots=True)
class Dotenv:
    """What `.env` says, by variable, and on which line; nothing of it counts when there is a fault."""

    values: Mapping[str, str | None]
    lines: Mapping[str, int]
    faults: tuple[Fault, ...] = ()


def read_dotenv(path: Path = Path(DOTENV)) -> Dotenv:
    """The `.env` of the working directory: in UTF-8, with or without a byte order mark, with any line ends.

    Each fault has the file and the line.
    """
    try:
        text = _read(path)
    except ConfigError as error:
        return Dotenv({}, {}, error.faults)
    if "\0" in text:
        what = "holds a NUL character: is it in UTF-16?"
        line = text.count("\n", 0, text.index("\0")) + 1
        return Dotenv({}, {}, (Fault(f"{path}, line {line}", what, "save it in UTF-8"),))
    faults: list[Fault] = []
    lines: dict[str, int] = {}
    for binding in parse_stream(io.StringIO(text)):
        written = binding.original.string
        line = binding.original.line + written.count("\n", 0, len(written) - len(written.lstrip()))
        if binding.error:
            cure = "write NAME=value, and both of its quotes or none"
            faults.append(Fault(f"{path}, line {line}", "cannot be read", cure))
        elif binding.key:
            lines[binding.key] = line
    if faults:
        return Dotenv({}, {}, tuple(faults))
    return Dotenv(dotenv_values(stream=io.StringIO(text)), lines)


def _read(path: Path) -> str:
    if not path.is_file():  # some call a folder so
        return ""
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError([Fault(str(path), f"cannot be read: {error}")]) from error
    if len(data) > MOST_BYTES:
        raise ConfigError([Fault(str(path), f"is larger than {MOST_BYTES // 1024} KiB")])
    return decode(data, str(path)).replace("\r\n", "\n").replace("\r", "\n")


def unknown_variables(
    kind: type[BaseModel], kinds: Iterable[type[BaseModel]], environment: Mapping[str, str], dotenv: Dotenv
) -> Iterator[Fault]:
    """Variables of ours that say nothing to `kind` and to none of the other `kinds`, each with what was meant."""
    known = {name for each in (kind, *kinds) for name in _names(each)}
    short = {flag.replace("-", "_"): path for path, flag in SHORTCUTS.items()}
    own = {*kind.model_fields}
    for where, values in (("environment", environment), (DOTENV, dotenv.values)):
        for variable, value in values.items():
            name = variable.upper().removeprefix(ENV_PREFIX)
            if not value or name == variable.upper() or name in OWN or name.startswith(_OF_TESTS):
                continue
            path = tuple(name.lower().split("__"))
            if path[0] in own or (path in known and name.lower() not in short):
                continue  # of its own settings, those that are inside a part are judged together with the other layers
            at = (
                f"{where}, line {dotenv.lines[variable]}"
                if variable in dotenv.lines and values is dotenv.values
                else where
            )
            meant = _meant(name.lower(), short, known)
            yield Fault(variable, f"there is no such setting ({at})", f"write {meant}" if meant else "")


def _names(kind: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of all settings of a class, of its parts too."""
    for name, field in kind.model_fields.items():
        yield (*above, name)
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _names(part, (*above, name))


def _meant(name: str, short: Mapping[str, str], known: set[tuple[str, ...]]) -> str | None:
    """The variable that somebody meant who wrote this one."""
    if name in short:
        return variable_of(short[name].replace("-", "_").split("."))
    # Underscores are what goes wrong most often.
    candidates: dict[str, tuple[str, ...]] = {}
    for path in sorted(known, key=len, reverse=True):
        candidates[path[-1].replace("_", "")] = path
        candidates["".join(path).replace("_", "")] = path
    near = difflib.get_close_matches(name.replace("_", ""), candidates, n=1, cutoff=0.75)
    return variable_of(candidates[near[0]]) if near else None


def variable_of(path: Iterable[int | str]) -> str:
    """The variable of a setting's path; an index of a list has none, and stands for the list."""
    return ENV_PREFIX + "__".join(part.upper() for part in path if isinstance(part, str))
