"""Keys of everything that a run of dense captions keeps, the same on disk and on S3. Knows names only.

dense/<name>/captions/<work_key>.json                     what became of one photo, written once
dense/<name>/runs/<run_id>/captions.jsonl, rejected.jsonl, provenance.jsonl, overlays/<photo>.png, manifest.json
"""

from __future__ import annotations

CAPTIONS = "captions.jsonl"
REJECTED = "rejected.jsonl"


def outcome_key(name: str, work_key: str) -> str:
    """Key of one captioned photo."""
    return f"dense/{name}/captions/{work_key}.json"


def caption_run_folder(name: str, run_id: str) -> str:
    """Prefix of a run's files, without a trailing slash."""
    return f"dense/{name}/runs/{run_id}"


def overlay_key(name: str, run_id: str, image: str) -> str:
    """Key of a photo's overlay; `image` is the photo's key under the input root."""
    return f"{caption_run_folder(name, run_id)}/overlays/{image}.png"
