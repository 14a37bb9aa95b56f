"""Keys of what a run of dense captions keeps beside what every run does, the same on disk and on S3.

dense/<name>/runs/<run_id>/captions.jsonl, rejected.jsonl, provenance.jsonl, overlays/<photo>.png, manifest.json
"""

from __future__ import annotations

from tasks.runs.keys import run_folder

CAPTIONS = "captions.jsonl"
REJECTED = "rejected.jsonl"


def captions_folder(name: str) -> str:
    """What all runs of a photo set share, without a trailing slash."""
    return f"dense/{name}"


def caption_run_folder(name: str, run_id: str) -> str:
    """Prefix of a run's files, without a trailing slash."""
    return run_folder(captions_folder(name), run_id)


def overlay_key(name: str, run_id: str, image: str) -> str:
    """Key of a photo's overlay; `image` is the photo's key under the input root."""
    return f"{caption_run_folder(name, run_id)}/overlays/{image}.png"
