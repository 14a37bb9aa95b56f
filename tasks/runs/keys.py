"""Keys of everything that a run keeps, the same on disk and on S3.

Runs of one kind that take over each other's work share a *folder* of the store: `stage_a/<mission>`, or `dense/<name>`.

<folder>/shards/<shard_key>.jsonl
<folder>/index/<identity>/<epoch>-<shard_key>.json, or <epoch>.<revision>-<shard_key>.json
<folder>/forced/<identity>.json
<folder>/pieces/<piece>/order.json, receipts.json
<folder>/lock.json
<folder>/runs/<run_id>/..., manifest.json

stage_a/<mission>/runs/<run_id>/<mission>_stage_a.jsonl, provenance.jsonl, quarantine.jsonl, manifest.json
stage_a/<mission>/latest.json
stage_a/<mission>/pointers/<sequence>.json
stage_b/<mission>/runs/<run_id>/tickets.jsonl, labels.jsonl, unjudged.jsonl, manifest.json     tickets
stage_b/<mission>/runs/<run_id>/tickets.jsonl, trajectories.jsonl, selections.jsonl, unjudged.jsonl, guidance.json,
    calibration.jsonl, manifest.json     a judgement; metrics.json, report.html beside it
stage_b/<mission>/submissions.jsonl
stage_b/<mission>/calibration/<risk>/<certificate key>/<look>/look.json, calibration.json
stage_b/<mission>/reviews/<answer key>/<UTC>-<id>.json
"""

from __future__ import annotations

import re

from tasks.records.errors import ManifestError

MANIFEST = "manifest.json"
PROVENANCE = "provenance.jsonl"
QUARANTINE = "quarantine.jsonl"
TICKETS = "tickets.jsonl"
LABELS = "labels.jsonl"
UNJUDGED = "unjudged.jsonl"
TRAJECTORIES = "trajectories.jsonl"
SELECTIONS = "selections.jsonl"
GUIDANCE = "guidance.json"
CALIBRATION = "calibration.jsonl"
LOOK = "look.json"
CERTIFICATE = "calibration.json"
METRICS = "metrics.json"
REPORT = "report.html"

_INDEX = re.compile(r"/index/[0-9a-f]{16}/(?P<epoch>[0-9]{6,9})(?:\.(?P<revision>[0-9]{1,6}))?-[0-9a-f]{64}\.json$")
_MANIFEST_URI = re.compile(r"(?:(?P<root>.*)/)?(?P<key>(?:stage_[ab]|dense)/[^/]+/runs/[^/]+/manifest\.json)")

_LATEST_URI = re.compile(r"(?:(?P<root>.*)/)?stage_a/(?P<mission>[^/]+)/latest\.json")


def records_name(mission: str) -> str:
    """File name of a run's product."""
    return f"{mission}_stage_a.jsonl"


def stage_a_folder(mission: str) -> str:
    """What all Stage-A runs of a mission share, without a trailing slash."""
    return f"stage_a/{mission}"


def stage_b_folder(mission: str) -> str:
    """What all Stage-B runs of a mission share, without a trailing slash."""
    return f"stage_b/{mission}"


def calibration_folder(mission: str) -> str:
    """Prefix of a mission's looks and certificates, without a trailing slash."""
    return f"{stage_b_folder(mission)}/calibration"


def look_folder(mission: str, risk: str, certificate_key: str, look: int) -> str:
    """Prefix of one look, counted from 1, without a trailing slash."""
    return f"{calibration_folder(mission)}/{risk}/{certificate_key}/{look:03d}"


def reviews_folder(mission: str) -> str:
    """Prefix of what people did with a mission's groups, without a trailing slash."""
    return f"{stage_b_folder(mission)}/reviews"


def shard_key(folder: str, shard: str) -> str:
    """Key of a shard object."""
    return f"{folder}/shards/{shard}.jsonl"


def index_folder(folder: str, identity: str) -> str:
    """Prefix of the index objects of shards with one identity (64 hex digits), without a trailing slash."""
    return f"{folder}/index/{identity[:16]}"


def index_key(folder: str, identity: str, epoch: int, revision: int, shard: str) -> str:
    """Key of a shard's index object."""
    of = f"{epoch:06d}.{revision}" if revision else f"{epoch:06d}"
    return f"{index_folder(folder, identity)}/{of}-{shard}.json"


def split_index_key(key: str) -> tuple[int, int, str] | None:
    """Epoch, revision and key of an index object; None if the key is not one of those."""
    match = _INDEX.search(key)
    return None if match is None else (int(match["epoch"]), int(match["revision"] or 0), key)


def forced_key(folder: str, identity: str) -> str:
    """Key of the note of a forced run; there until the run has ended."""
    return f"{folder}/forced/{identity[:16]}.json"


def piece_order_key(folder: str, piece: str) -> str:
    """Key of what a run asks of another process; there until the run has the receipts."""
    return f"{folder}/pieces/{piece}/order.json"


def piece_receipts_key(folder: str, piece: str) -> str:
    """Key of what that process answers; gone together with the order."""
    return f"{folder}/pieces/{piece}/receipts.json"


def run_folder(folder: str, run_id: str) -> str:
    """Prefix of a run's files, without a trailing slash."""
    return f"{folder}/runs/{run_id}"


def latest_key(mission: str) -> str:
    """Key of the pointer to a mission's newest run."""
    return f"stage_a/{mission}/latest.json"


def pointers_folder(mission: str) -> str:
    """Prefix of all that `latest.json` ever said, without a trailing slash."""
    return f"stage_a/{mission}/pointers"


def pointer_key(mission: str, sequence: int) -> str:
    """Key of what `latest.json` says when it has moved so often."""
    return f"{pointers_folder(mission)}/{sequence:09d}.json"


def lock_key(folder: str) -> str:
    """Key of the lock that a run holds on its folder; there only while one does."""
    return f"{folder}/lock.json"


def split_manifest_uri(uri: str) -> tuple[str, str]:
    """The store's root and the manifest's key in it. Raises ManifestError if the URI is not of a manifest of ours."""
    match = _MANIFEST_URI.fullmatch(uri)
    if match is None:
        raise ManifestError(
            f"{uri} is not <store>/stage_a/<mission>/runs/<run>/manifest.json, nor one of stage_b or dense; "
            "give a manifest's URI"
        )
    return _root(match, uri), match["key"]


def split_latest_uri(uri: str) -> tuple[str, str] | None:
    """The store's root and the mission of a `latest.json`; None if the URI is not of one."""
    match = _LATEST_URI.fullmatch(uri)
    return None if match is None else (_root(match, uri), match["mission"])


def _root(match: re.Match[str], uri: str) -> str:
    return match["root"] or ("/" if uri.startswith("/") else ".")
