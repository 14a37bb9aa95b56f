"""Hostile photos, names and folders: a typed reason or a picture within bounds, and no other group is touched."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from configs.parts import InputConfig
from infra.demo.drawing import draw
from infra.demo.scenes import Split, sample, seed_of
from tasks.images.open import decode, read_header
from tasks.records.errors import PhotoError
from tasks.records.photos import printable
from tasks.runs.keys import records_name
from tests.builders import MISSION
from tests.demo import Demo
from tests.faults.contents import CONTENTS, MOST_BYTES, Content
from tests.faults.hostile import COMPANION, S3_KEYS, Outcome, longest_key, write_mission
from tests.faults.pictures import animation, jpeg, oriented, palette, png, quarters, resealed
from tests.servers import S3Server

REPOSITORY = Path(__file__).parents[2]
LIMITS = InputConfig(max_file_bytes=MOST_BYTES)
SMALL = InputConfig(max_file_bytes=1 << 20, max_decode_pixels=200_000)

# What a photo may cost on a busy machine; a bomb that goes off takes minutes.
SECONDS = 5.0

Group = tuple[str, str | None]


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: content.group)
def test_a_photo_is_refused_with_its_reason_or_looks_right(content: Content, capfd: pytest.CaptureFixture[str]) -> None:
    picture = quarters()
    data, began = content.make(picture), time.monotonic()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        if content.reason is None:
            assert_alike(opened(data, LIMITS), content.looks(picture))
        else:
            with pytest.raises(PhotoError) as caught:
                opened(data, LIMITS)
            assert caught.value.reason is content.reason
            assert content.says in str(caught.value)
    assert time.monotonic() - began < SECONDS
    assert [str(warning.message) for warning in warned] == []
    assert capfd.readouterr() == ("", "")


def opened(data: bytes, limits: InputConfig) -> Image.Image:
    """The photo, as verification and then an engine open it: RGB, within the limits, of the size that was verified."""
    header = read_header(data, limits)
    image = decode(data, limits)
    assert image.mode == "RGB"
    assert image.size == (header.width, header.height)
    assert image.width * image.height <= limits.max_decode_pixels
    assert len(image.tobytes()) == 3 * image.width * image.height
    return image


def assert_alike(image: Image.Image, wanted: Image.Image) -> None:
    """The middle of every quarter has the same colour, but for what JPEG loses."""
    width, height = image.size
    assert (width, height) == wanted.size
    for place in [(x, y) for x in (width // 4, 3 * width // 4) for y in (height // 4, 3 * height // 4)]:
        got, right = image.getpixel(place), wanted.getpixel(place)
        assert max(abs(a - b) for a, b in zip(got, right, strict=True)) <= 12, (place, got, right)


FUZZED = [
    *(jpeg(quarters(), **options) for options in ({}, {"progressive": True}, {"restart_marker_blocks": 2})),
    oriented(3, b"\x06\0\0\0")(quarters()),
    png(quarters()),
    palette(b"\0\x80")(quarters()),
    png(quarters((90, 70)).convert("LA")),
    *(animation(kind, 3)(quarters((90, 70))) for kind in ("MPO", "PNG")),
]
DAMAGE = st.tuples(
    st.sampled_from(["flip", "cut", "insert", "copy", "marker"]),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1, exclude_max=True),
    st.binary(min_size=1, max_size=12),
)
THOROUGH = os.environ.get("FIELDCHECK_FUZZ") == "1"


def damaged(data: bytes, damage: Sequence[tuple[str, float, float, bytes]]) -> bytes:
    """A file after some accidents, each at some place of it."""
    for kind, where, length, noise in damage:
        place = int(where * len(data))
        end = min(len(data), place + 1 + int(length**4 * len(data)))
        if kind == "flip":
            data = data[:place] + noise + data[place + len(noise) :]
        elif kind == "cut":
            data = data[:place] + data[end:]
        elif kind == "insert":
            data = data[:place] + noise + data[place:]
        elif kind == "copy":
            data = data[:place] + data[place:end] + data[place:]
        else:
            data = data[:place] + b"\xff" + noise[:1] + data[place + 2 :]
    return data


@settings(
    max_examples=20_000 if THOROUGH else 400,
    derandomize=not THOROUGH,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.sampled_from(FUZZED), st.lists(DAMAGE, min_size=1, max_size=6), st.booleans())
def test_damage_is_a_typed_reason_or_a_picture_within_bounds_and_makes_no_noise(
    capfd: pytest.CaptureFixture[str], data: bytes, damage: list[tuple[str, float, float, bytes]], sealed: bool
) -> None:
    data = damaged(data, damage)
    if sealed:  # checksums would keep most damage of a PNG from its decoder
        data = resealed(data)
    began = time.monotonic()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with suppress(PhotoError):
            opened(data, SMALL)
    assert time.monotonic() - began < SECONDS
    assert [str(warning.message) for warning in warned] == []
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="module")
def scene() -> Image.Image:
    """A picture that the demo checkpoint was made for, so that it always has something to say."""
    return draw(sample(seed_of(Split.TESTS, 4), (640, 480)))


def run(folder: Path, api: str, demo: Demo, root: str, environment: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """Stage-A as a person runs it, in a process of its own; its summary, and what it wrote to stderr."""
    command = [sys.executable, "-m", "flows.cli", "stage-a", "--mission", MISSION, "--input-root", root]
    command += ["--store", str(folder / "store"), "--checkpoint", demo.checkpoint, "--device", "cpu"]
    command += ["--max-pixels", "82944", "--max-new-tokens", "96", "--inputs.max-file-bytes", str(MOST_BYTES)]
    ours = {"PREFECT_API_URL": api, "PREFECT_HOME": str(folder / "prefect"), **environment}
    done = subprocess.run(command, cwd=REPOSITORY, env=os.environ | ours, capture_output=True, timeout=240)
    errors = done.stderr.decode("utf-8")
    assert done.returncode == 0, errors[-3000:]
    return json.loads(done.stdout.decode("utf-8").splitlines()[-1]), errors


def wanted(outcomes: Sequence[Outcome]) -> dict[Group, Any]:
    """What must be in the published files, by group: its photos, or why it is not published."""
    groups: dict[Group, Any] = {}
    for outcome in outcomes:
        group = (printable(outcome.group_id), outcome.label)
        if outcome.images:
            groups[group] = list(outcome.images)
        elif outcome.bad is not None:
            groups[group] = {printable(outcome.bad): outcome.reason, None: outcome.whole}
    return groups


def found(summary: Mapping[str, Any]) -> dict[Group, Any]:
    """The same, as it was published. Fails when a group is there twice."""
    folder = Path(summary["manifest"]).parent
    groups: dict[Group, Any] = defaultdict(dict)
    for line in lines(folder / "quarantine.jsonl"):
        why = groups[line["group_id"], line["label"]]
        assert line["image"] not in why
        assert line["detail"]
        why[line["image"]] = line["reason"]
    for line in lines(folder / records_name(MISSION)):
        group = (line["group_id"], line["label"])
        assert group not in groups
        assert all(line["per_image"].values())
        groups[group] = line["images"]
    return dict(groups)


def lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file, one a line by anybody's notion of a line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def assert_quiet(errors: str, outcomes: Sequence[Outcome]) -> None:
    """Nothing on the terminal but our own messages, and what was left out is counted there."""
    assert "Traceback" not in errors
    assert "Warning:" not in errors
    ignored = sum(outcome.ignored for outcome in outcomes)
    assert re.findall(r"ignored (\d+) files", errors) == [str(ignored)]


@pytest.mark.slow
def test_every_hostile_group_has_its_own_outcome_and_no_other_is_touched(
    demo: Demo, prefect_harness: str, scene: Image.Image, tmp_path: Path
) -> None:
    root = tmp_path / "photos"
    outcomes = write_mission(root, tmp_path / "outside", MISSION, scene)
    summary, errors = run(tmp_path, prefect_harness, demo, str(root), {})
    assert found(summary) == wanted(outcomes)
    assert_quiet(errors, outcomes)


@pytest.mark.slow
def test_keys_that_no_file_system_has_are_ignored_or_refused_and_lead_nowhere(
    demo: Demo, prefect_harness: str, scene: Image.Image, moto_server: S3Server, tmp_path: Path
) -> None:
    bucket, client, data = moto_server.new_bucket(), moto_server.client(), jpeg(scene)
    keys = (*S3_KEYS, longest_key(MISSION))
    for key, outcome in keys:
        client.put_object(Bucket=bucket, Key=f"{MISSION}/{key}", Body=data)
        if outcome.group.isprintable() and (outcome.images or outcome.bad):
            client.put_object(Bucket=bucket, Key=f"{MISSION}/{outcome.group}/{COMPANION}", Body=data)
    stored = {item["Key"] for page in pages(client, bucket) for item in page["Contents"]}
    assert {f"{MISSION}/{key}" for key, _ in keys} <= stored, "the server keeps such keys as they are"
    summary, errors = run(tmp_path, prefect_harness, demo, f"s3://{bucket}", moto_server.env)
    outcomes = [outcome for _, outcome in keys]
    assert found(summary) == wanted(outcomes)
    assert_quiet(errors, outcomes)


def pages(client: Any, bucket: str) -> list[dict[str, Any]]:
    """Every page of a bucket's listing."""
    return list(client.get_paginator("list_objects_v2").paginate(Bucket=bucket))
