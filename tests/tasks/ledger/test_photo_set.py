"""Tests of the photos of a run without groups: in order, settled while they are read, and in little memory."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tasks.inputs.order import natural_key, natural_place
from tasks.ledger.ledger import Ledger
from tasks.records.errors import PhotoError
from tasks.records.photos import Photo
from tasks.records.reasons import Reason
from tests.builders import examples

names = st.text(st.sampled_from("aAbB019.-_é照\udcff"), min_size=1, max_size=8)
keys = st.lists(names, min_size=1, max_size=3).map("/".join)


@examples(200)
@given(st.lists(keys, min_size=1, max_size=12, unique=True))
def test_photos_come_in_natural_order_folder_by_folder(found: list[str]) -> None:
    with Ledger() as ledger:
        for key in found:
            ledger.photos.add(Photo(key.rpartition("/")[2], key, 1), natural_place(key))
        there = [entry.photo.key for entry in ledger.photos.entries()]
    assert there == sorted(found, key=lambda key: [natural_key(part) for part in key.split("/")])


def test_more_photos_than_a_page_are_settled_and_dropped_while_they_are_read() -> None:
    with Ledger() as ledger:
        for number in range(600):
            ledger.photos.add(Photo(f"{number}.jpg", f"{number}.jpg", 1), natural_place(f"{number}.jpg"))
        for entry in ledger.photos.entries():
            number = int(entry.photo.name.removesuffix(".jpg"))
            if number % 3 == 0:
                ledger.photos.drop(entry.number)
            elif number % 3 == 1:
                ledger.photos.settle(entry.number, entry.photo, PhotoError(Reason.EMPTY_FILE, "no bytes"))
            else:
                ledger.photos.settle(entry.number, replace(entry.photo, sha256="a" * 64), None)
        entries = list(ledger.photos.entries())
    assert len(entries) == 400
    assert [entry.photo.name for entry in entries[:2]] == ["1.jpg", "2.jpg"]
    assert all((entry.error is None) == bool(entry.photo.sha256) for entry in entries)
    assert entries[0].error is not None
    assert (entries[0].error.reason, entries[0].error.detail) == (Reason.EMPTY_FILE, "no bytes")
