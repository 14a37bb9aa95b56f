"""Everything a Stage-B run, and the check of a published run, are told. Knows no step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from configs.base import BaseConfig
from configs.errors import Fault
from configs.preflight import check_manifest, check_store
from configs.stores import S3Options


class VerifyConfig(BaseConfig):
    """Which published run to read, and how it is reached."""

    manifest: str = Field("", description="URI of a published run's manifest.json: a path, or s3://bucket/key.")
    sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="Expected sha256 of the manifest; checked when given."
    )
    s3: S3Options = Field(default_factory=S3Options, description="How s3:// is reached.")

    def faults(self, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
        """Everything wrong with the name of a published run."""
        if "manifest" not in skip:
            yield from check_manifest(self.manifest)


class StageBConfig(VerifyConfig):
    """A Stage-B run over one published Stage-A run."""

    store: str | None = Field(
        None,
        description="Where Stage-B's results go; by default the store that holds the manifest, whatever store the "
        "environment names for Stage-A.",
    )

    @classmethod
    def implied(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Where the manifest is given, so is the store: that of the manifest, unless another one is given too.

        What the environment says of Stage-A's store is not said of this run.
        """
        return {"store": None, **given} if given.get("manifest") else given

    def faults(self, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
        """Everything wrong with a Stage-B run."""
        yield from super().faults(skip)
        if self.store is not None and "store" not in skip:
            yield from check_store(self.store)
