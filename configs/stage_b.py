"""Everything a Stage-B run, and the check of a published run, are told. Knows no step."""

from __future__ import annotations

from pydantic import Field

from configs.parts import Part
from configs.stores import S3Options


class VerifyConfig(Part):
    """Which published run to read, and how it is reached."""

    manifest: str = Field("", description="URI of a published run's manifest.json: a path, or s3://bucket/key.")
    sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="Expected sha256 of the manifest; checked when given."
    )
    s3: S3Options = Field(default_factory=S3Options, description="How s3:// is reached.")


class StageBConfig(VerifyConfig):
    """A Stage-B run over one published Stage-A run."""

    store: str | None = Field(
        None,
        description="Where Stage-B's results go; by default the store that holds the manifest, whatever store the "
        "environment names for Stage-A.",
    )
