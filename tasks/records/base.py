"""What all records have in common: frozen, no unknown keys, digests as 64 hex digits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

ScaledBy = Literal["max_pixels", "max_model_len", "server"]
"""The setting that a photo was scaled down for; or an endpoint's server, which scaled it anew to what only it knows."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Record(BaseModel):
    """Base of all records: frozen, and a key that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(Record):
    """A file of a published run, named relative to the manifest."""

    name: str
    sha256: Sha256
    size: int = Field(ge=0)
    records: int = Field(ge=0)
