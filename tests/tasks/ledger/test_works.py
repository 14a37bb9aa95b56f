"""Tests of the ledger's work: each photo once, claimed by one source, answered once."""

from __future__ import annotations

import pytest

from blocks.errors import StoreFull
from tasks.ledger.database import Database
from tasks.ledger.ledger import Ledger
from tasks.records.photos import Photo
from tests.builders import make_bad, make_failed, make_item, make_photo, make_summarised

PHOTOS = [make_photo(content, f"{content}.jpg") for content in "abcd"]
ITEMS = [make_item(photo) for photo in PHOTOS]
KEYS = [item.work_key for item in ITEMS]


def filled() -> Ledger:
    """A ledger with four photos' work."""
    ledger = Ledger()
    for item in ITEMS:
        ledger.works.add(item)
    return ledger


def test_work_is_kept_once_in_order_with_the_photo_that_came_first() -> None:
    with filled() as ledger:
        ledger.works.add(make_item(Photo("other.jpg", "other", 1, PHOTOS[0].sha256)))
        assert list(ledger.works.pending()) == ITEMS
        assert ledger.works.count() == 4


def test_outcomes_of_every_kind_come_back_as_they_were() -> None:
    outcomes = [make_summarised(PHOTOS[0]), make_bad(PHOTOS[1]), make_failed(PHOTOS[2])]
    with filled() as ledger:
        assert ledger.works.answer(outcomes) == 3
        assert [ledger.works.outcome(outcome.work_key) for outcome in outcomes] == outcomes
        assert (ledger.works.outcome(KEYS[3]), ledger.works.outcome("0" * 64)) == (None, None)
        assert list(ledger.works.pending()) == ITEMS[3:]
        assert [ledger.works.count(answered=told) for told in (True, False, None)] == [3, 1, 4]


def test_outcomes_for_other_work_are_dropped() -> None:
    with filled() as ledger:
        assert ledger.works.answer([make_summarised(make_photo("z"))]) == 0
        assert ledger.works.count() == 4


def test_the_first_source_that_claims_work_has_it() -> None:
    with filled() as ledger:
        assert ledger.works.claim(0, [KEYS[0], KEYS[1], "0" * 64]) == 2
        assert ledger.works.claim(1, KEYS[1:3]) == 1
        assert ledger.works.unclaimed() == 1
        answers = [make_summarised(photo, f"BBU设备×{n}") for n, photo in enumerate(PHOTOS, start=1)]
        assert ledger.works.answer(answers, source=1) == 1
        assert ledger.works.outcome(KEYS[2]) == answers[2]
        assert ledger.works.outcome(KEYS[1]) is None


def test_what_a_source_promised_and_does_not_have_is_given_up() -> None:
    with filled() as ledger:
        ledger.works.claim(0, KEYS[:3])
        ledger.works.answer([make_summarised(PHOTOS[0])], source=0)
        assert ledger.works.release(0) == 2
        assert ledger.works.unclaimed() == 3
        assert list(ledger.works.pending()) == ITEMS[1:]


def test_more_work_than_a_page_is_all_read_while_it_is_answered() -> None:
    photos = [make_photo(str(index)) for index in range(600)]
    with Ledger() as ledger:
        for photo in photos:
            ledger.works.add(make_item(photo))
        seen = []
        for item in ledger.works.pending():
            seen.append(item.about.sha256)
            ledger.works.answer([make_summarised(item.about)])
        assert seen == [photo.sha256 for photo in photos]
        ledger.works.forget()
        assert ledger.works.count() == 0


def test_a_full_disk_is_a_store_error_that_says_what_to_do() -> None:
    database = Database("CREATE TABLE things(text TEXT);")
    database.run("PRAGMA max_page_count=4")
    with pytest.raises(StoreFull, match="SQLITE_TMPDIR"):
        database.run_many("INSERT INTO things VALUES(?)", (("x" * 4000,) for _ in range(100)))
