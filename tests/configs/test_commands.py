"""The table of commands: what it names is there, and a new command is one entry."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import get_type_hints

import pytest
from prefect import Flow
from pydantic import Field

from configs.base import BaseConfig
from configs.commands import COMMANDS, KINDS, Command
from configs.doctor import DoctorConfig
from configs.errors import Fault
from configs.parts import GenerationConfig
from flows.cli import main
from flows.commands.runs import imported
from flows.terminal import print_result

EVERY_COMMAND = pytest.mark.parametrize("name", list(COMMANDS))


@EVERY_COMMAND
def test_what_a_command_runs_is_there_and_takes_what_the_command_is_told(name: str) -> None:
    command = COMMANDS[name]
    assert bool(command.flow) != bool(command.function)
    what = imported(command.flow or command.function)
    if command.flow:
        assert isinstance(what, Flow)
        assert command.kind is not None
        assert {*command.kind.model_fields} <= {*inspect.signature(what).parameters}
    else:
        told = [hint for hint_of, hint in get_type_hints(what).items() if hint_of != "return"]
        assert told == ([] if command.kind is None else [command.kind])
        assert what.__doc__.startswith(f"`fieldcheck {name}")
    if command.words:
        assert callable(imported(command.words))


@EVERY_COMMAND
def test_the_argument_of_a_command_is_one_of_its_settings(name: str) -> None:
    command = COMMANDS[name]
    assert not command.argument or (command.kind is not None and command.argument in command.kind.model_fields)
    assert command.argument or not command.shown


def test_every_kind_finds_what_is_wrong_with_it_and_needs_to_be_told_something() -> None:
    assert not list(DoctorConfig().faults())  # it says what there is
    for kind in KINDS - {DoctorConfig}:
        assert list(kind().faults()), kind


class LookConfig(BaseConfig):
    """What a command that only this test has is told."""

    place: str = Field("", description="Where to look.")
    times: int = Field(1, ge=1, description="How often.")
    generation: GenerationConfig = Field(default_factory=GenerationConfig, description="How text is decoded.")

    def faults(self, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
        """Everything wrong with it."""
        if not self.place:
            yield Fault("place", "is not given", "give a place")


def look(config: LookConfig) -> int:
    """`fieldcheck look PLACE`."""
    print_result(config.model_dump())
    return 1 if config.times > 2 else 0


def test_a_new_command_is_a_class_a_function_and_one_entry(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = Command(
        kind=LookConfig, about="looks", help="Look.", function=f"{__name__}.look", argument="place", shown="where"
    )
    monkeypatch.setitem(COMMANDS, "look-at", entry)
    monkeypatch.setenv("FIELDCHECK_GENERATION__SEED", "7")
    assert main(["--help"]) == 0
    assert "look-at" in capsys.readouterr().out
    assert main(["look-at", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("WHERE", "--times int", "--max-new-tokens", "--profile", "Where to look."))

    assert main(["look-at", "here", "--times", "3", "--max-new-tokens", "9"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["place"], told["times"]) == ("here", 3)
    assert (told["generation"]["max_new_tokens"], told["generation"]["seed"]) == (9, 7)

    assert main(["look-at", "", "--times", "0"]) == 2
    told = capsys.readouterr().err
    assert "times: input should be greater than or equal to 1, got '0' (environment: FIELDCHECK_TIMES)" in told
    assert "place: is not given (give a place)" in told
