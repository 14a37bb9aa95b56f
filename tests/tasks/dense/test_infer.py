"""Tests of captioning photos: each is shown once, stored at once, and never shown again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pytest

from blocks.local_store import LocalStore
from configs.parts import InputConfig
from configs.photo import DenseConfig
from tasks.dense.discover import find_photos
from tasks.dense.infer import Seen, caption_photos, decoding_of, read_outcome
from tasks.dense.keys import outcome_key
from tasks.engines.protocol import Failure, FinishReason, Request, Results
from tasks.images.open import decode
from tasks.records.errors import PhotoError, RecordError
from tasks.records.jsonl import to_line
from tasks.records.prompts import Prompt
from tasks.records.reasons import Reason
from tasks.records.stage_a import Failed
from tests.builders import make_identity, put_photos
from tests.tasks.summaries.table_engine import TableEngine

IDENTITY = make_identity()
PROMPT = Prompt("system text", "user text")
GOOD = '{"object_1":{"desc":"BBU设备/品牌:华为","bbox_2d":[10,20,300,400]}}'


class Decoding(TableEngine):
    """Decodes what it is shown."""

    def generate(self, requests: Iterable[Request]) -> Results:
        """A failure for each photo that cannot be decoded."""
        asked = {request.id: request for request in requests}
        for result in super().generate(asked.values()):
            request = asked[result.id]
            try:
                decode(request.read(), InputConfig())
            except PhotoError as error:
                result = Failure(request.id, error)
            yield result


class Bench:
    """Photos, a store, and an engine that gives every photo the same answer."""

    def __init__(self, folder: Path, text: str = GOOD, finish: FinishReason = "stop") -> None:
        self.photos, self.store = LocalStore(folder / "photos"), LocalStore(folder / "store")
        self.answer = (text, finish)
        self.engine: TableEngine | None = None

    def caption(self, *, decoding: bool = False) -> list[Seen]:
        """One run over all photos; with `decoding` the engine fails where a real one does."""
        found, _ = find_photos(self.photos)
        keys = {IDENTITY.work_key(hashlib.sha256(self.photos.read(p.key)).hexdigest()) for p in found}
        self.engine = None

        def engine() -> TableEngine:
            self.engine = (Decoding if decoding else TableEngine)({key: [self.answer] for key in keys})
            return self.engine

        return caption_photos(
            found, self.photos, self.store, "set", IDENTITY, PROMPT, decoding_of(DenseConfig()), InputConfig(), engine
        )

    @property
    def asked(self) -> int:
        """How many photos were shown to the engine in the last run."""
        return sum(len(call) for call in self.engine.calls) if self.engine else 0


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    put_photos(tmp_path / "photos", "a", ["img1.jpg", "img2.jpg", "img10.png"])
    return Bench(tmp_path)


def test_every_photo_is_captioned_in_natural_order(bench: Bench) -> None:
    seen = bench.caption()
    assert [one.photo.key for one in seen] == ["a/img1.jpg", "a/img2.jpg", "a/img10.png"]
    assert all(one.fresh and one.error is None for one in seen)
    assert bench.engine is not None
    assert {request.system for call in bench.engine.calls for request in call} == {PROMPT.system}
    outcome = read_outcome(bench.store, "set", seen[0].work_key)
    assert outcome.objects == {"object_1": {"desc": "BBU设备/品牌:华为", "bbox_2d": [10, 20, 300, 400]}}
    assert (outcome.engine, outcome.violations, outcome.sha256) == ("table", (), seen[0].photo.sha256)


def test_what_is_known_is_not_shown_again_and_needs_no_engine(bench: Bench) -> None:
    first = bench.caption()
    again = bench.caption()
    assert bench.engine is None
    assert [one.work_key for one in again] == [one.work_key for one in first]
    assert not any(one.fresh for one in again)


def test_only_a_new_photo_is_shown(bench: Bench, tmp_path: Path) -> None:
    bench.caption()
    put_photos(tmp_path / "photos", "b", ["img1.jpg"], seed=9)
    seen = bench.caption()
    assert bench.asked == 1
    assert [one.fresh for one in seen] == [False, False, False, True]


def test_a_damaged_caption_is_made_anew(bench: Bench) -> None:
    seen = bench.caption()
    key = outcome_key("set", seen[1].work_key)
    bench.store.write(key, bench.store.read(key)[:-20])
    with pytest.raises(RecordError):
        read_outcome(bench.store, "set", seen[1].work_key)
    bench.caption()
    assert bench.asked == 1
    assert read_outcome(bench.store, "set", seen[1].work_key).objects


def test_the_same_photo_twice_is_shown_once(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "photos" / "a" / "copy.jpg").write_bytes((tmp_path / "photos" / "a" / "img1.jpg").read_bytes())
    seen = bench.caption()
    assert bench.asked == 3
    assert len({one.work_key for one in seen}) == 3
    assert sum(one.fresh for one in seen) == 3


def test_a_bad_photo_costs_nothing_but_itself(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "photos" / "a" / "img2.jpg").write_bytes(b"")
    seen = bench.caption()
    assert [one.error and one.error.reason for one in seen] == [None, Reason.EMPTY_FILE, None]
    assert bench.asked == 2


def test_a_photo_that_cannot_be_decoded_is_tried_once(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "photos" / "a" / "img2.jpg"
    path.write_bytes(path.read_bytes()[:-40])
    for asked in (3, 0):
        seen = bench.caption(decoding=True)
        assert [one.error and one.error.reason for one in seen] == [None, Reason.TRUNCATED_IMAGE, None]
        assert [one.fresh for one in seen] == [asked > 0, False, asked > 0]
        assert bench.asked == asked


def test_a_photo_that_could_not_be_read_by_an_older_version_is_tried_again(bench: Bench) -> None:
    first = bench.caption()[0]
    old = Failed(
        work_key=first.work_key, sha256=first.photo.sha256, reason=Reason.NOT_AN_IMAGE, detail="the content is WebP"
    )
    bench.store.write(outcome_key("set", first.work_key), to_line(old))
    assert bench.caption()[0].error is None
    assert bench.asked == 1


@pytest.mark.parametrize(
    ("text", "finish", "says"),
    [
        ('{"object_2":{"desc":"a","bbox_2d":[1,2,3,4]}}', "stop", "object_1 is due"),
        (GOOD[:30], "length", "length"),
        ("无关图片", "stop", "not_json"),
    ],
)
def test_a_caption_that_breaks_a_rule_is_kept_with_what_it_breaks(
    tmp_path: Path, text: str, finish: FinishReason, says: str
) -> None:
    put_photos(tmp_path / "photos", "a", ["img1.jpg"])
    bench = Bench(tmp_path, text, finish)
    (one,) = bench.caption()
    outcome = read_outcome(bench.store, "set", one.work_key)
    assert one.error is None
    assert outcome.objects is None
    assert outcome.text == text
    assert any(says in violation for violation in outcome.violations)
