"""What all kinds of configuration share: what a kind says besides its settings.

A kind is a frozen class with everything that one command or flow is told. `configs.settings.load` makes one, from
whatever layers there are; `configs.commands` lists those that commands have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from configs.errors import Fault
from configs.parts import Part

PROFILE = "A profile in configs/profiles (demo, gpu), or the path of a YAML file."
"""What the profile is, which every command and flow takes beside its settings."""


class BaseConfig(Part):
    """Base of the kinds of configuration."""

    @classmethod
    def implied(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """What was given, with what follows from it and ranks as high: above environment and profile."""
        return given

    def faults(self, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
        """Everything wrong that types cannot tell. `skip` names fields that are already known to be faulty.

        Looks at the file system; opens no connection and imports no model library.
        """
        yield from ()
