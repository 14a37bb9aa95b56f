"""The bucket policy of the runbook: it is one, and it lets each role do what the code does and no more."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tasks.dense.check import DENSE
from tasks.dense.keys import captions_folder
from tasks.runs import keys
from tests.builders import FOLDER, MISSION, sha

RUNBOOK = Path(__file__).parents[2] / "infra" / "README.md"
DIGEST = sha("x")
RUN = keys.run_folder(FOLDER, DIGEST[:16])

STAGE_B = (keys.TICKETS, keys.LABELS, keys.TRAJECTORIES, keys.SELECTIONS, keys.METRICS, keys.REPORT, keys.MANIFEST)

PUBLISHED = [
    *(f"{RUN}/{name}" for name in (keys.records_name(MISSION), keys.PROVENANCE, keys.QUARANTINE, keys.MANIFEST)),
    *(f"{keys.run_folder(keys.stage_b_folder(MISSION), DIGEST[:16])}/{name}" for name in STAGE_B),
    keys.latest_key(MISSION),
    f"{DENSE}/照片/runs/{DIGEST[:16]}/{keys.MANIFEST}",
]
FOLDERS = (FOLDER, keys.stage_b_folder(MISSION), captions_folder("照片"))
FORGOTTEN = [
    key
    for folder in FOLDERS
    for key in (
        keys.lock_key(folder),
        keys.forced_key(folder, DIGEST),
        keys.piece_order_key(folder, DIGEST),
        keys.piece_receipts_key(folder, DIGEST),
    )
]
KEPT = [
    *(keys.shard_key(folder, DIGEST) for folder in FOLDERS),
    *(keys.index_key(folder, DIGEST, 0, 0, DIGEST) for folder in FOLDERS),
    keys.pointer_key(MISSION, 1),
    f"{keys.stage_b_folder(MISSION)}/submissions.jsonl",
]
WRITTEN = [*PUBLISHED, *FORGOTTEN, *KEPT]
PHOTO = f"photos/{MISSION}/QC-1/img1.jpg"


@pytest.fixture(scope="module")
def statements() -> list[dict[str, Any]]:
    """The statements of the one policy that the runbook shows."""
    blocks = re.findall(r"```json\n(.*?)```", RUNBOOK.read_text(encoding="utf-8"), re.DOTALL)
    (policy,) = [policy for block in blocks if "Statement" in (policy := json.loads(block))]
    assert policy["Version"] == "2012-10-17"
    found: list[dict[str, Any]] = policy["Statement"]
    assert len({one["Sid"] for one in found}) == len(found)
    return found


def may(statements: list[dict[str, Any]], role: str, action: str, key: str | None) -> bool:
    """Whether a role may do something with a key, None for the bucket: no deny fits, and an allow does."""
    who = f"arn:aws:iam::ACCOUNT:role/fieldcheck-{role}"
    what = "arn:aws:s3:::BUCKET" + ("" if key is None else f"/{key}")
    allowed = False
    for one in statements:
        principal = one["Principal"]
        fits = principal == "*" or who in _listed(principal["AWS"])
        fits = fits and action in _listed(one["Action"])
        fits = fits and any(fnmatchcase(what, resource) for resource in _listed(one["Resource"]))
        other = one.get("Condition", {}).get("ArnNotEquals", {}).get("aws:PrincipalArn")
        if fits and other != who and one["Effect"] == "Deny":
            return False
        allowed = allowed or (fits and one["Effect"] == "Allow")
    return allowed


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@pytest.mark.parametrize("key", WRITTEN)
def test_runs_write_and_read_what_they_do(statements: list[dict[str, Any]], key: str) -> None:
    assert may(statements, "runner", "s3:PutObject", key)
    assert may(statements, "runner", "s3:AbortMultipartUpload", key)
    assert may(statements, "runner", "s3:GetObject", key)


def test_runs_read_photos_and_try_the_store_before_they_work(statements: list[dict[str, Any]]) -> None:
    assert may(statements, "runner", "s3:GetObject", PHOTO)
    assert not may(statements, "runner", "s3:PutObject", PHOTO)
    assert may(statements, "runner", "s3:PutObject", ".fieldcheck-write-check")
    assert may(statements, "runner", "s3:AbortMultipartUpload", ".fieldcheck-write-check")
    for action in ("s3:ListBucket", "s3:ListBucketMultipartUploads"):
        assert may(statements, "runner", action, None)


def test_runs_delete_what_goes_with_them_and_nothing_that_stays(statements: list[dict[str, Any]]) -> None:
    assert all(may(statements, "runner", "s3:DeleteObject", key) for key in FORGOTTEN)
    assert not any(may(statements, "runner", "s3:DeleteObject", key) for key in (*PUBLISHED, *KEPT, PHOTO))


def test_inspectors_read_what_is_published_and_write_nothing(statements: list[dict[str, Any]]) -> None:
    assert all(may(statements, "inspector", "s3:GetObject", key) for key in PUBLISHED)
    for action in ("s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"):
        assert not any(may(statements, "inspector", action, key) for key in (*WRITTEN, PHOTO))


def test_crews_add_photos_and_nothing_else(statements: list[dict[str, Any]]) -> None:
    assert may(statements, "crew", "s3:PutObject", PHOTO)
    for action in ("s3:PutObject", "s3:GetObject", "s3:DeleteObject"):
        assert not any(may(statements, "crew", action, key) for key in WRITTEN)


@pytest.mark.parametrize("role", ["runner", "inspector", "crew", "anybody"])
def test_nobody_removes_a_version(statements: list[dict[str, Any]], role: str) -> None:
    assert not any(may(statements, role, "s3:DeleteObjectVersion", key) for key in (*WRITTEN, PHOTO))
    assert not may(statements, role, "s3:PutBucketVersioning", None)


def test_every_prefix_of_the_policy_is_one_that_the_code_writes(statements: list[dict[str, Any]]) -> None:
    resources = {resource for one in statements for resource in _listed(one["Resource"])}
    inside = {resource.partition("BUCKET")[2].lstrip("/") for resource in resources} - {"", "*", "photos/*"}
    for pattern in inside - {".fieldcheck-write-check"}:
        assert any(fnmatchcase(key, pattern) for key in WRITTEN), pattern
