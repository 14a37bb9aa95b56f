"""Tests of publishing dense captions: every photo is in one file or another, and the manifest comes last."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks.local_store import LocalStore
from tasks.dense.answers import read_dense_key, score_run
from tasks.dense.publish import publish_captions
from tasks.dense.records import Captioned, CaptionManifest, CaptionProvenance, CaptionRecord, RejectedRecord
from tasks.dense.report import captions_markdown, rejected_rows
from tasks.dense.score import Score
from tasks.inputs.order import natural_place
from tasks.ledger.ledger import Ledger
from tasks.records.errors import InputError, PhotoError, Superseded, Unaccounted
from tasks.records.jsonl import parse, read_lines
from tasks.records.photos import Photo
from tasks.records.reasons import Reason
from tasks.records.work import WorkItem
from tests.builders import files_under, make_identity, sha

IDENTITY = make_identity()
BOX = {"object_1": {"desc": "BBU设备|品牌:华为", "bbox_2d": [0, 500, 250, 1000]}}


def captioned(key: str, objects: dict[str, Any] | None, violations: tuple[str, ...] = ()) -> tuple[Photo, Captioned]:
    """A photo of 480 x 640 pixels that was captioned, and what was answered."""
    photo = Photo(key.rpartition("/")[2], key, size=100, sha256=sha(key), width=480, height=640)
    bad = objects is None
    return photo, Captioned(
        work_key=IDENTITY.work_key(photo.sha256),
        sha256=photo.sha256,
        text=json.dumps(objects, ensure_ascii=False) if objects is not None else "{",
        finish_reason="stop",
        prompt_tokens=300,
        visual_tokens=6,
        completion_tokens=40,
        width=480,
        height=640,
        shown_width=96,
        shown_height=128,
        scaled_by="max_pixels",
        engine="table",
        objects=objects,
        violations=violations,
        attempts=1,
        reason=Reason.CAPTION_INVALID if bad else None,
        detail=f"the caption breaks {len(violations)} rules" if bad else None,
    )


def make_ledger(photos: Iterable[tuple[Photo, Captioned | PhotoError | None]]) -> Ledger:
    """A ledger of these photos: captioned, not readable, or (None) without an outcome."""
    ledger = Ledger(Captioned)
    for number, (photo, outcome) in enumerate(photos, start=1):
        ledger.photos.add(photo, natural_place(photo.key))
        if isinstance(outcome, PhotoError):
            ledger.photos.settle(number, photo, outcome)
            continue
        ledger.works.add(WorkItem(IDENTITY.work_key(photo.sha256), photo))
        if outcome is not None:
            ledger.works.answer([outcome])
    return ledger


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """A captioned photo, an empty one, one whose caption breaks a rule, and one that could not be read."""
    unread = Photo("img4.jpg", "a/img4.jpg", 0)
    photos = [
        captioned("a/img1.jpg", BOX),
        captioned("a/img2.jpg", {}),
        captioned("a/img3.jpg", None, ("not_json: it ends early",)),
        (unread, PhotoError(Reason.EMPTY_FILE, "no bytes")),
    ]
    with make_ledger(photos) as made:
        yield made


def records(store: LocalStore, uri: str, name: str, kind: type[Any]) -> Iterator[Any]:
    """The records of a run's file."""
    data = (Path(uri).parent / name).read_bytes().splitlines(keepends=True)
    return (record for _, record in read_lines(kind, data, name))


def test_every_photo_is_captioned_or_rejected(store: LocalStore, ledger: Ledger) -> None:
    published = publish_captions(store, "set", IDENTITY, ledger)
    counts = published.manifest.counts
    assert (counts.photos, counts.captioned, counts.rejected, counts.objects) == (4, 2, 2, 1)
    first, second = records(store, published.uri, "captions.jsonl", CaptionRecord)
    assert (first.image, first.width, first.height, first.objects) == ("a/img1.jpg", 480, 640, BOX)
    assert first.pixels == {"object_1": (0.0, 320.0, 120.0, 640.0)}
    assert (second.objects, second.pixels) == ({}, {})
    invalid, unread = records(store, published.uri, "rejected.jsonl", RejectedRecord)
    assert (invalid.reason, invalid.violations) == (Reason.CAPTION_INVALID, ("not_json: it ends early",))
    assert (unread.image, unread.reason) == ("a/img4.jpg", Reason.EMPTY_FILE)
    told = list(records(store, published.uri, "provenance.jsonl", CaptionProvenance))
    assert [(one.image, one.shown_width, one.scaled_by) for one in told] == [
        (f"a/img{n}.jpg", 96, "max_pixels") for n in (1, 2, 3)
    ]


def test_the_manifest_names_every_file_with_its_digest(store: LocalStore, ledger: Ledger) -> None:
    published = publish_captions(store, "set", IDENTITY, ledger)
    files = files_under(store, f"dense/set/runs/{published.manifest.run_id}/")
    manifest = parse(CaptionManifest, Path(published.uri).read_bytes().rstrip(b"\n"), "manifest")
    assert manifest == published.manifest
    assert {entry.name for entry in manifest.files} == {"captions.jsonl", "rejected.jsonl", "provenance.jsonl"}
    for entry in manifest.files:
        (data,) = [data for key, data in files.items() if key.endswith(f"/{entry.name}")]
        assert len(data) == entry.size


def test_publishing_again_changes_nothing(store: LocalStore, ledger: Ledger) -> None:
    first = publish_captions(store, "set", IDENTITY, ledger)
    before = files_under(store)
    again = publish_captions(store, "set", IDENTITY, ledger)
    assert (first.fresh, again.fresh, again.sha256) == (True, False, first.sha256)
    assert files_under(store) == before


def test_only_captioned_photos_are_drawn(store: LocalStore, ledger: Ledger) -> None:
    drawn: list[tuple[str, str]] = []
    published = publish_captions(
        store, "set", IDENTITY, ledger, lambda run, photo, outcome: drawn.append((run, photo.key))
    )
    assert sorted(drawn) == [(published.manifest.run_id, "a/img1.jpg"), (published.manifest.run_id, "a/img2.jpg")]


def test_a_photo_without_an_outcome_leaves_no_manifest(store: LocalStore) -> None:
    lost = Photo("img2.jpg", "a/img2.jpg", 100, sha("a/img2.jpg"), 480, 640)
    with make_ledger([captioned("a/img1.jpg", BOX), (lost, None)]) as ledger, pytest.raises(Unaccounted, match="img2"):
        publish_captions(store, "set", IDENTITY, ledger)
    assert not files_under(store)


def test_a_run_that_lost_its_folder_publishes_nothing(store: LocalStore, ledger: Ledger) -> None:
    def confirm() -> None:
        raise Superseded("another run took over")

    with pytest.raises(Superseded):
        publish_captions(store, "set", IDENTITY, ledger, confirm=confirm)
    assert not files_under(store)


def test_a_run_is_scored_by_the_photos_that_have_an_answer(ledger: Ledger, tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"a/img1.jpg": BOX, "a/img3.jpg": BOX, "a/img4.jpg": BOX, "other.jpg": BOX}))
    score = score_run(ledger, IDENTITY, read_dense_key(key))
    assert (score.photos, score.valid, score.truth, score.matched, score.desc_right) == (3, 1, 3, 1, 1)


@pytest.mark.parametrize("text", ["", "[]", '{"a.jpg": 1}', '{"a.jpg": {"object_2": {}}}'])
def test_an_answer_key_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "key.json").write_text(text)
    with pytest.raises(InputError, match=r"key\.json"):
        read_dense_key(tmp_path / "key.json")


def test_the_page_escapes_what_the_model_wrote(store: LocalStore, ledger: Ledger) -> None:
    published = publish_captions(store, "set", IDENTITY, ledger)
    captions = list(records(store, published.uri, "captions.jsonl", CaptionRecord))
    page = captions_markdown(published, captions, 3, 1.5, Score(1, 1, 2, 1, 2, 2))
    assert "| Photos captioned | 2 of 4 |" in page
    assert "0.6667 over 2 photos" in page
    assert r"BBU设备\|品牌\:华为×1" in page
    assert "a\\/img1\\.jpg" in page
    assert "无关图片" in page
    rows = rejected_rows(records(store, published.uri, "rejected.jsonl", RejectedRecord))
    assert [row["reason"] for row in rows] == ["caption_invalid", "empty_file"]
