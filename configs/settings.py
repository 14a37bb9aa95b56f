"""Where a configuration comes from: flag > checkpoint block > environment > .env > profile > default. Knows no step."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError, create_model
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from configs.base import BaseConfig
from configs.commands import KINDS
from configs.errors import ConfigError, Fault
from configs.stores import BLOCK_NAME
from configs.variables import DOTENV, ENV_PREFIX, read_dotenv, unknown_variables, variable_of
from configs.yamls import read_yaml

_PROFILE = ENV_PREFIX + "PROFILE"
PROFILES_DIR = Path(__file__).parent / "profiles"

ConfigT = TypeVar("ConfigT", bound=BaseConfig)

_ENV = SettingsConfigDict(env_prefix=ENV_PREFIX, env_nested_delimiter="__", env_ignore_empty=True, extra="ignore")


class _Layer(BaseSettings):
    model_config = _ENV


def load(
    kind: type[ConfigT],
    given: Mapping[str, Any],
    profile: str | None = None,
    block: Callable[[str], Mapping[str, Any]] | None = None,
) -> ConfigT:
    """One frozen configuration of a kind, from what was `given` (flags or flow parameters) and the layers below.

    `block` reads what the settings name as `checkpoint_block`, as a layer right below what was given.

    Raises ConfigError with every fault, those of single fields and those that the kind finds by looking at paths,
    missions and budgets. Loads no model and imports no torch.
    """
    given = kind.implied(given)
    raw, faults = merge(kind, given, profile)
    if block is not None and isinstance(name := raw.get("checkpoint_block"), str) and re.match(BLOCK_NAME, name):
        try:
            _overlay(raw, block(name))
            _overlay(raw, given)
        except ConfigError as error:
            faults += error.faults
    faults += _secrets(given)
    config, more = validate(kind, raw)
    faults = [*faults, *more, *config.faults(frozenset(fault.where for fault in more))]
    if faults:
        raise ConfigError(faults)
    return config


def merge(kind: type[BaseConfig], given: Mapping[str, Any], profile: str | None) -> tuple[dict[str, Any], list[Fault]]:
    """The layers of one configuration class, merged key by key into one raw mapping, and what is wrong with the
    profile file."""
    dotenv = read_dotenv()
    profile = profile or os.environ.get(_PROFILE) or dotenv.values.get(_PROFILE)
    values, faults = read_profile(profile) if profile else ({}, [])
    faults += [*dotenv.faults, *unknown_variables(kind, KINDS, os.environ, dotenv)]

    class Layers(BaseSettings, kind):  # type: ignore[misc, valid-type]
        model_config = _ENV

    # A profile may serve several commands: what only another one knows is not for this one.
    elsewhere = {name for other in KINDS for name in other.model_fields} - {*kind.model_fields}
    merged: dict[str, Any] = {key: deepcopy(value) for key, value in values.items() if key not in elsewhere}
    file = partial(DotEnvSettingsSource, env_file=DOTENV, env_file_encoding="utf-8-sig")
    for source in (EnvSettingsSource,) if dotenv.faults else (file, EnvSettingsSource):
        try:
            layer = source(Layers)()
        except SettingsError:
            layer = _field_by_field(kind, source, faults)
        _overlay(merged, {key: value for key, value in layer.items() if key in kind.model_fields})
    _overlay(merged, given)
    return merged, faults


def validate(kind: type[ConfigT], raw: Mapping[str, Any]) -> tuple[ConfigT, list[Fault]]:
    """A configuration and the faults of its fields. Faulty fields fall back to their defaults, so that the checks
    that come after can still look at all the others."""
    data = deepcopy(dict(raw))
    faults: list[Fault] = []
    while True:
        try:
            return kind.model_validate(data), faults
        except ValidationError as error:
            removed = False
            for item in error.errors():
                place = tuple(item["loc"])
                # Of two faults in one list, the first takes the list out.
                removed = _remove(data, place) or removed
                faults.append(_fault(place, item["msg"], item["type"], item["input"]))
            if not removed:
                raise


def read_profile(profile: str) -> tuple[dict[str, Any], list[Fault]]:
    """The mapping in a profile: the name of one that ships in `configs/profiles/`, or the path of a YAML file."""
    if "\0" in profile:
        return {}, [Fault("profile", f"{profile!r} is no name of a file")]
    path = Path(profile) if profile.endswith((".yaml", ".yml")) else PROFILES_DIR / f"{profile}.yaml"
    shipped = ", ".join(sorted(file.stem for file in PROFILES_DIR.glob("*.yaml")))
    try:
        values = read_yaml(path)
    except FileNotFoundError:
        return {}, [Fault("profile", f"there is no {path}", f"shipped profiles: {shipped}; or give a path to a .yaml")]
    except ConfigError as error:
        return {}, [Fault("profile", f"{fault.where}: {fault.what}", fault.cure) for fault in error.faults]
    if values is None:
        return {}, []
    if not isinstance(values, dict):
        return {}, [Fault("profile", f"{path} is not a mapping", "write `key: value` lines")]
    return values, []


def _secrets(given: Mapping[str, Any]) -> Iterator[Fault]:
    """Flags are in the list of processes, and a flow's parameters are kept with its run: no place for a secret."""
    engine = given.get("engine")
    endpoint = engine.get("endpoint") if isinstance(engine, Mapping) else None
    if isinstance(endpoint, Mapping) and endpoint.get("api_key"):
        where = ("engine", "endpoint", "api_key")
        cure = f"set {variable_of(where)}, or name a Prefect Secret block as engine.endpoint.api_key_block"
        yield Fault(".".join(where), "is a secret, and what is typed here is not kept secret", cure)


def _field_by_field(
    kind: type[BaseModel], source: Callable[[type[BaseSettings]], EnvSettingsSource], faults: list[Fault]
) -> dict[str, Any]:
    """A layer of which one variable is not the JSON that it must be: all the others still count."""
    layer: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        fields: dict[str, Any] = {name: (field.annotation, field)}
        try:
            layer.update(source(create_model("OneField", __base__=_Layer, **fields))())
        except SettingsError:
            faults.append(Fault(name, "is not JSON", f"environment: {variable_of((name,))}; lists are written as JSON"))
    return layer


def _overlay(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(below.get(key), dict):
            _overlay(below[key], value)
        else:
            below[key] = deepcopy(value)


def _remove(data: dict[str, Any], place: tuple[int | str, ...]) -> bool:
    """Take the faulty leaf out; for an element of a list, the whole list."""
    here: Any = data
    for index, key in enumerate(place):
        last = index == len(place) - 1
        if not isinstance(here, dict) or key not in here:
            return False
        if last or not isinstance(here[key], dict):
            del here[key]
            return True
        here = here[key]
    return False


def _fault(place: tuple[int | str, ...], message: str, kind: str, value: object) -> Fault:
    where = ".".join(str(part) for part in place)
    if kind == "extra_forbidden":
        return Fault(where, "there is no such setting", "see fieldcheck stage-a --help")
    message = message.removeprefix("Value error, ")
    shown = repr(value) if len(repr(value)) <= 80 else repr(value)[:77] + "..."
    # A rejected endpoint may carry a password: what was given for S3 is not repeated.
    got = "" if place[0] == "s3" or place[-1] == "api_key" else f", got {shown}"
    return Fault(where, f"{message[0].lower()}{message[1:]}{got}", f"environment: {variable_of(place)}")
