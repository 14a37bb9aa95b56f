"""The error tree, and the errors of the steps. Knows no step's inside.

    FieldcheckError                     configs.errors
    +-- ConfigError                     configs.errors    carries every Fault
    +-- CrashedTooOften                 configs.errors    resumed by automation, and crashed again and again
    +-- PrefectUnavailable    (retry)   configs.errors    the Prefect API does not answer
    +-- StoreError                      blocks.errors     names store and key
    |   +-- StoreUnavailable  (retry)   timeouts, resets, throttling, 5xx
    |   +-- StoreGivenUp                tried again until the deadline, in vain
    |   +-- StoreDenied                 403, read-only
    |   +-- StoreFull                   no space, no quota
    |   +-- ObjectMissing               no such object, bucket or directory
    |   +-- ObjectExists                a conditional write lost
    |   +-- ObjectCorrupt               digest or size differs
    |   +-- BadKey                      a key that we do not write
    +-- InputError                      what came from the field
    |   +-- PhotoError                  one photo, with a typed Reason
    |   +-- InputRejected               a strict run met a rejected group
    |   +-- NothingToDo                 no group at all under the input root
    |   +-- InputGone                   the mission's photos went away, all of them, while they were read
    +-- CheckpointError                 weights, tokenizer, processor, adapter
    |   +-- CheckpointMisaligned        tokenizer, template or processor is not the base's; names the files
    |   +-- MergeFailed                 ms-swift's export failed, took too long, or left something else
    |   +-- ParityTooLow                the merged checkpoint does not say what the adapter says
    +-- EngineError                     inference
    |   +-- EngineUnavailable (retry)   the engine or its server is restarting
    |   +-- EngineGivenUp               a server was tried again until the deadline, in vain
    |   +-- DeviceOutOfMemory (retry)   a smaller batch can fit
    |   +-- DeviceFailed      (retry)   a device failed in the middle of its photos; names them
    |   +-- NoScores                    this engine gives no log-probabilities
    |   +-- EngineMissing               the package behind a back end is not installed
    |   +-- EndpointRefused             the server refuses every request: key, model, address, length
    +-- OutputError                     what we publish or are handed
        +-- RecordError                 a line that is not a valid record
        +-- CaptionInvalid              a dense caption that breaks its rules; carries every violation
        +-- ManifestError               a manifest or a file under it does not check out
        +-- Unaccounted                 a photo neither summarised nor quarantined
        +-- TooMuchQuarantined          more groups in quarantine than the run may lose
        +-- MissionBusy                 another run held the mission for as long as we wait
        +-- Superseded                  a newer run took the mission over

(retry) marks the leaves whose `retryable` is true.
"""

from __future__ import annotations

from typing import ClassVar

from configs.errors import ConfigError, FieldcheckError
from tasks.records.reasons import Reason

__all__ = [
    "CaptionInvalid",
    "CheckpointError",
    "CheckpointMisaligned",
    "ConfigError",
    "DeviceFailed",
    "DeviceOutOfMemory",
    "EndpointRefused",
    "EngineError",
    "EngineGivenUp",
    "EngineMissing",
    "EngineUnavailable",
    "FieldcheckError",
    "InputError",
    "InputGone",
    "InputRejected",
    "ManifestError",
    "MergeFailed",
    "MissionBusy",
    "NoScores",
    "NothingToDo",
    "OutputError",
    "ParityTooLow",
    "PhotoError",
    "RecordError",
    "Superseded",
    "TooMuchQuarantined",
    "Unaccounted",
]


class InputError(FieldcheckError):
    """What came from the field cannot be used as it is."""


class PhotoError(InputError):
    """One photo cannot be read, or has no answer; `reason` says in which way, `detail` in words."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason.value}: {detail}")

    def __reduce__(self) -> tuple[type[PhotoError], tuple[Reason, str]]:
        return type(self), (self.reason, self.detail)


class InputRejected(InputError):
    """A strict run refuses to start because verification rejected at least one group."""


class NothingToDo(InputError):
    """The input root holds no group of the mission."""


class InputGone(InputError):
    """The input root, or the mission's folder in it, went away in mid-run."""


class CheckpointError(FieldcheckError):
    """A checkpoint or adapter is incomplete, unreadable or does not fit."""


class CheckpointMisaligned(CheckpointError):
    """Files of an adapter or a merged checkpoint that must equal the base's do not; `files` names them."""

    def __init__(self, message: str, files: tuple[str, ...] = ()) -> None:
        self.files = files
        super().__init__(message)

    def __reduce__(self) -> tuple[type[CheckpointMisaligned], tuple[str, tuple[str, ...]]]:
        return type(self), (str(self), self.files)


class MergeFailed(CheckpointError):
    """Merging adapters into their base failed; nothing that looks merged is left."""


class ParityTooLow(CheckpointError):
    """A merged checkpoint does not say what base and adapters say, on more probe photos than allowed."""


class EngineError(FieldcheckError):
    """Inference failed."""


class EngineUnavailable(EngineError):
    """The engine, or the server behind it, is not there just now."""

    retryable: ClassVar[bool] = True


class EngineGivenUp(EngineError):
    """A server gave no answer until the deadline, however often it was asked."""


class DeviceOutOfMemory(EngineError):
    """The device ran out of memory; a smaller batch can fit."""

    retryable: ClassVar[bool] = True


class DeviceFailed(EngineError):
    """A device, or the model on it, failed in the middle of photos; the message names them."""

    retryable: ClassVar[bool] = True


class NoScores(EngineError):
    """Log-probabilities were asked of an engine that gives none."""


class EngineMissing(EngineError):
    """The package that an engine or a back end needs is not installed."""


class EndpointRefused(EngineError):
    """The server understands its requests and will answer none of them."""


class OutputError(FieldcheckError):
    """Something that we publish, or were handed as published, does not check out."""


class RecordError(OutputError):
    """A line of a JSONL file is not a valid record; the message names file and line."""


class CaptionInvalid(OutputError):
    """A dense caption that breaks its rules; `violations` names each, with the object it is in."""

    def __init__(self, violations: tuple[str, ...]) -> None:
        self.violations = violations
        super().__init__("; ".join(violations))

    def __reduce__(self) -> tuple[type[CaptionInvalid], tuple[tuple[str, ...]]]:
        return type(self), (self.violations,)


class ManifestError(OutputError):
    """A manifest, or a file that it lists, does not check out; the message names the object."""


class Unaccounted(OutputError):
    """A photo was neither summarised nor quarantined: the run must not be published."""


class MissionBusy(OutputError):
    """Another run of the mission held it for as long as we wait."""


class Superseded(OutputError):
    """The mission was taken over while this run did not answer; the newer run publishes."""


class TooMuchQuarantined(OutputError):
    """More groups are quarantined than `max_quarantine_fraction` allows; `quarantine` is the key of the lines that say
    why."""

    def __init__(self, message: str, quarantine: str = "") -> None:
        self.quarantine = quarantine
        super().__init__(message)

    def __reduce__(self) -> tuple[type[TooMuchQuarantined], tuple[str, str]]:
        return type(self), (str(self), self.quarantine)
