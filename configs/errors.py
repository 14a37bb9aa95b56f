"""The root of the error tree and the errors of configuration. Knows no step and no store.

The whole tree is drawn in `tasks.records.errors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class FieldcheckError(Exception):
    """Base of every error that Fieldcheck raises on purpose.

    Every leaf says with `retryable` whether trying the same thing again can help. A message says what
    was wrong, where (path, key, line) and what to do.
    """

    retryable: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a configuration: where it is, what is wrong, and the cure."""

    where: str
    what: str
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" ({self.cure})" if self.cure else "")


class ConfigError(FieldcheckError):
    """A run cannot start as it was told to; carries every fault that was found, not only the first."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        count = len(self.faults)
        title = "1 fault" if count == 1 else f"{count} faults"
        super().__init__(f"{title} in the configuration\n" + "\n".join(f"  - {fault}" for fault in self.faults))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[tuple[Fault, ...]]]:
        return type(self), (self.faults,)


class CrashedTooOften(FieldcheckError):
    """A run was resumed and crashed again and again: it is not tried any more by itself."""


class PrefectUnavailable(FieldcheckError):
    """The Prefect API does not answer: the run cannot be begun, gone on with, or ended as it should be."""

    retryable: ClassVar[bool] = True
