"""Tests of checking a run of dense captions: whatever was changed is found, and named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blocks.local_store import LocalStore
from tasks.dense.check import check_captions
from tasks.dense.keys import CAPTIONS, REJECTED, caption_run_folder
from tasks.dense.publish import PublishedCaptions, publish_captions
from tasks.records.errors import ManifestError, OutputError, PhotoError
from tasks.records.jsonl import to_line
from tasks.records.photos import Photo
from tasks.records.reasons import Reason
from tasks.runs.keys import MANIFEST, PROVENANCE
from tasks.runs.manifest import derive_run_id
from tests.tasks.dense.test_publish import BOX, IDENTITY, captioned, make_ledger


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def published(store: LocalStore) -> PublishedCaptions:
    """Two captioned photos, an empty one, one whose answer broke a rule between them, and one that was not read."""
    photos = [
        captioned("a/img1.jpg", BOX),
        captioned("a/img2.jpg", None, ("not_json: it ends early",)),
        captioned("a/img3.jpg", {}),
        (Photo("img4.jpg", "a/img4.jpg", 0), PhotoError(Reason.EMPTY_FILE, "no bytes")),
        captioned("a/img5.jpg", BOX),
    ]
    with make_ledger(photos) as ledger:
        return publish_captions(store, "set", IDENTITY, ledger)


def key_of(published: PublishedCaptions) -> str:
    return f"{caption_run_folder('set', published.manifest.run_id)}/{MANIFEST}"


def test_a_good_run_checks_out(store: LocalStore, published: PublishedCaptions) -> None:
    checked = check_captions(store, key_of(published), published.sha256)
    assert (checked.stage, checked.manifest, checked.sha256) == ("dense", published.manifest, published.sha256)
    assert (checked.objects, checked.records) == (4, 3 + 2 + 4)


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
@pytest.mark.parametrize("name", [CAPTIONS, REJECTED, PROVENANCE, MANIFEST])
def test_one_changed_byte_anywhere_is_found_and_its_object_named(
    store: LocalStore, published: PublishedCaptions, name: str, flip: int
) -> None:
    place = key_of(published).replace(MANIFEST, name)
    data = store.read(place)
    for at in range(0, len(data), max(1, len(data) // 23)):
        store.write(place, data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :])
        with pytest.raises(OutputError) as caught:
            check_captions(store, key_of(published))
        assert store.uri_of(place) in str(caught.value)


def rewrite(store: LocalStore, published: PublishedCaptions, name: str, change: Callable[[list[Any]], None]) -> str:
    """A run that is whole in itself, with one of its files changed by `change`; the key of its manifest."""
    source = key_of(published).removesuffix(MANIFEST)
    lines = [json.loads(line) for line in store.read(source + name).splitlines()]
    change(lines)
    text = b"".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for line in lines)
    entries = tuple(
        entry.model_copy(update={"sha256": hashlib.sha256(text).hexdigest(), "size": len(text), "records": len(lines)})
        if entry.name == name
        else entry
        for entry in published.manifest.files
    )
    manifest = published.manifest.model_copy(update={"files": entries})
    manifest = manifest.model_copy(update={"run_id": derive_run_id(manifest)})
    target = caption_run_folder("set", manifest.run_id)
    for other in (CAPTIONS, REJECTED, PROVENANCE):
        store.write(f"{target}/{other}", text if other == name else store.read(source + other))
    store.write(f"{target}/{MANIFEST}", to_line(manifest))
    return f"{target}/{MANIFEST}"


def _moved_point(lines: list[Any]) -> None:
    lines[0]["pixels"]["object_1"][0] += 1


def _broken_rule(lines: list[Any]) -> None:
    lines[0]["objects"]["object_1"]["bbox_2d"] = [250, 500, 0, 1000]


def _other_size(lines: list[Any]) -> None:
    lines[1]["width"] = 481


def _lost(lines: list[Any]) -> None:
    del lines[1]


def _swapped(lines: list[Any]) -> None:
    lines[0], lines[2] = lines[2], lines[0]


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        (CAPTIONS, _moved_point, "line 1: the pixels of a/img1.jpg are not those of its objects"),
        (CAPTIONS, _broken_rule, "line 1: a/img1.jpg breaks the rules: object_1: "),
        (CAPTIONS, _other_size, "line 2: a/img3.jpg is 480 x 640 px in provenance.jsonl"),
        (CAPTIONS, _lost, "a/img3.jpg was neither captioned nor rejected"),
        (PROVENANCE, _lost, "has no line for a/img2.jpg, whose answer was rejected"),
        (REJECTED, _lost, "counts (5, 3, 2, 2) photos, captioned, rejected and objects; there are (4, 3, 1, 2)"),
        (PROVENANCE, _swapped, "a/img3.jpg was neither captioned nor rejected"),
    ],
)
def test_files_that_do_not_fit_each_other_are_named(
    store: LocalStore,
    published: PublishedCaptions,
    name: str,
    change: Callable[[list[Any]], None],
    says: str,
) -> None:
    with pytest.raises(ManifestError) as caught:
        check_captions(store, rewrite(store, published, name, change))
    assert says in str(caught.value)


def test_a_run_in_another_runs_place_is_found(store: LocalStore, published: PublishedCaptions) -> None:
    elsewhere = key_of(published).replace("/set/", "/other/")
    store.write(elsewhere, store.read(key_of(published)))
    with pytest.raises(ManifestError, match="not of this place"):
        check_captions(store, elsewhere)
    with pytest.raises(ManifestError, match=f"expected {'0' * 64}"):
        check_captions(store, key_of(published), "0" * 64)
