"""The command line as pydantic-settings makes it from the table of commands. Runs nothing, and judges no value.

What was typed is kept as it was typed: `configs.settings` judges it, once, together with the layers below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field, create_model
from pydantic_settings import BaseSettings, CliPositionalArg, CliSettingsSource, CliSubCommand, SettingsConfigDict

from configs.base import PROFILE
from configs.commands import COMMANDS, Command
from configs.variables import SHORTCUTS

_ABOUT = "Field photos of telecom cabinets in, evidence that inspectors can act on out."


@dataclass(frozen=True, slots=True)
class Typed:
    """A command as it was typed: exactly the flags that were given, by setting, and the profile."""

    command: Command
    given: dict[str, Any]
    profile: str | None


def parse(args: Sequence[str]) -> Typed:
    """The command that `args` ask for.

    Raises SystemExit as argparse does, after help and for wrong usage, and SettingsError for a list that does not end.
    """
    typed = CliSettingsSource[Any](_root(), cli_parse_args=list(args))()
    name, given = next((name, given) for name, given in typed.items() if given is not None)
    command = COMMANDS[name.replace("_", "-")]
    if command.shown:
        given[command.argument] = given.pop(command.shown)
    return Typed(command, given, given.pop("profile", None))


def _root() -> type[BaseSettings]:
    class Root(BaseSettings):
        model_config = SettingsConfigDict(
            cli_prog_name="fieldcheck",
            cli_kebab_case=True,
            cli_implicit_flags=True,
            cli_avoid_json=True,
            cli_hide_none_type=True,
            cli_shortcuts=SHORTCUTS,
        )

    sub_command: Any = CliSubCommand
    commands: dict[str, Any] = {
        name.replace("-", "_"): (sub_command[_flags(name, command)], Field(description=command.about))
        for name, command in COMMANDS.items()
    }
    return create_model("Fieldcheck", __base__=Root, __doc__=_ABOUT, **commands)


def _flags(name: str, command: Command) -> type[BaseModel]:
    """The settings of a command with its profile, and one of them as an argument, for parsing alone."""
    if command.kind is None:
        return create_model(name, __doc__=command.help)
    fields: dict[str, Any] = {"profile": (str | None, Field(None, description=PROFILE))}
    if command.argument:
        description = command.kind.model_fields[command.argument].description
        fields[command.argument] = CliPositionalArg[str], Field(alias=command.shown or None, description=description)
    return create_model(name, __base__=command.kind, __doc__=command.help, **fields)
