"""Manifests that vouch for themselves: `self_sha256` is the sha256 of their own line with that field empty.

For those whose run id does not follow from all that they say. The field stands last, so each manifest declares it.
"""

from __future__ import annotations

import hashlib
from typing import TypeVar

from pydantic import BaseModel

from tasks.records.errors import ManifestError
from tasks.records.jsonl import to_line

ManifestT = TypeVar("ManifestT", bound=BaseModel)


def sealed(manifest: ManifestT) -> ManifestT:
    """The same manifest with the digest of what it says."""
    bare = to_line(manifest.model_copy(update={"self_sha256": ""}))
    return manifest.model_copy(update={"self_sha256": hashlib.sha256(bare).hexdigest()})


def check_seal(manifest: BaseModel, uri: str) -> None:
    """Raises ManifestError, naming `uri`, if a manifest that was read from there is not what was sealed."""
    if sealed(manifest) != manifest:
        raise ManifestError(f"{uri} was changed: its content does not give its self_sha256")
