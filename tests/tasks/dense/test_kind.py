"""Tests of dense captions as a kind of question, through the pipeline's own reader and shards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blocks.local_store import LocalStore
from configs.dense import DenseCaptionConfig
from configs.parts import InputConfig
from tasks.checkpoints.resolve import Checkpoint
from tasks.dense.discover import find_photos
from tasks.dense.kind import Captions, captions_of, work_items
from tasks.dense.publish import outcomes_of
from tasks.dense.records import Captioned
from tasks.engines.protocol import FinishReason
from tasks.ledger.ledger import Ledger
from tasks.records.errors import PhotoError
from tasks.records.jsonl import to_line
from tasks.records.outcomes import Failed
from tasks.records.reasons import Reason
from tasks.runs.keys import shard_key
from tasks.runs.shards import read_shard, write_shard
from tasks.work.plan import plan_shards, plan_work
from tasks.work.reader import ShardReader
from tests.builders import put_photos, sha
from tests.tasks.work.table_engine import TableEngine

GOOD = '{"object_1":{"desc":"BBU设备/品牌:华为","bbox_2d":[10,20,300,400]}}'


class Bench:
    """Photos, a store, and an engine that gives every photo the same answer."""

    def __init__(self, folder: Path, text: str = GOOD, finish: FinishReason = "stop") -> None:
        self.photos, self.store = LocalStore(folder / "photos"), LocalStore(folder / "store")
        self.answer = (text, finish)
        self.asked: list[str] = []
        config = DenseCaptionConfig(input_root=str(folder / "photos"), name="set")
        self.kind: Captions = captions_of(config, Checkpoint("", (), sha("checkpoint"), (), "float32"))

    def caption(self) -> dict[str, Captioned | PhotoError]:
        """One run over all photos; what became of each, by its key."""
        kind = self.kind
        with Ledger(Captioned) as ledger:
            find_photos(self.photos, ledger.photos, InputConfig())
            for item in work_items(ledger.photos, kind.identity):
                ledger.works.add(item)
            plan, _, _ = plan_work(self.store, kind, ledger.works, force=False)
            pending = list(ledger.works.pending())
            self.asked = [item.about.key for item in pending]
            assert plan.pending == len(pending)
            engine = TableEngine({item.work_key: [self.answer] for item in pending})
            for shard in plan_shards(pending, lambda: 2, 0, kind.revision):
                outcomes = ShardReader(engine, kind, self.photos.read).outcomes(shard)
                receipt = write_shard(self.store, kind.folder, kind.identity.digest, shard, outcomes, seconds=1.0)
                ledger.works.answer(read_shard(self.store, receipt.key, receipt.sha256, kind.record))
            return {photo.key: outcome for photo, outcome in outcomes_of(ledger, kind.identity)}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    put_photos(tmp_path / "photos", "a", ["img1.jpg", "img2.jpg", "img10.png"])
    return Bench(tmp_path)


def test_every_photo_is_captioned_in_natural_order(bench: Bench) -> None:
    captioned = bench.caption()
    assert list(captioned) == bench.asked == ["a/img1.jpg", "a/img2.jpg", "a/img10.png"]
    outcome = captioned["a/img1.jpg"]
    assert isinstance(outcome, Captioned)
    assert outcome.objects == {"object_1": {"desc": "BBU设备/品牌:华为", "bbox_2d": [10, 20, 300, 400]}}
    assert (outcome.engine, outcome.violations, outcome.ok) == ("table", (), True)


def test_only_what_is_new_is_asked_about(bench: Bench, tmp_path: Path) -> None:
    first = bench.caption()
    assert bench.caption() == first
    assert bench.asked == []
    put_photos(tmp_path / "photos", "b", ["img1.jpg"], seed=9)
    assert len(bench.caption()) == 4
    assert bench.asked == ["b/img1.jpg"]


def test_a_byte_that_was_changed_in_a_shard_is_found_and_its_photos_are_asked_about_anew(bench: Bench) -> None:
    first = bench.caption()
    keys = [info.key for info in bench.store.list("dense/set/shards/")]
    assert len(keys) == 2
    data = bench.store.read(keys[0])
    bench.store.write(keys[0], data.replace(b"300", b"301"))
    assert bench.caption() == first
    assert len(bench.asked) == data.count(b"\n")


def test_the_same_photo_twice_is_asked_about_once(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "photos" / "a" / "copy.jpg").write_bytes((tmp_path / "photos" / "a" / "img1.jpg").read_bytes())
    captioned = bench.caption()
    assert len(bench.asked) == 3
    assert captioned["a/copy.jpg"] == captioned["a/img1.jpg"]


def test_a_bad_photo_costs_nothing_but_itself(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "photos" / "a" / "img2.jpg").write_bytes(b"")
    captioned = bench.caption()
    bad = captioned["a/img2.jpg"]
    assert isinstance(bad, PhotoError)
    assert bad.reason is Reason.EMPTY_FILE
    assert bench.asked == ["a/img1.jpg", "a/img10.png"]


def test_a_photo_that_could_not_be_read_by_an_older_version_is_tried_again(bench: Bench) -> None:
    bench.caption()
    kind = bench.kind
    with Ledger(Captioned) as ledger:
        find_photos(bench.photos, ledger.photos, InputConfig())
        first, *_ = plan_shards(work_items(ledger.photos, kind.identity), lambda: 1, 7, kind.revision)
    (item,) = first.items
    old = Failed(
        work_key=item.work_key, sha256=item.about.sha256, reason=Reason.NOT_AN_IMAGE, detail="the content is WebP"
    )
    write_shard(bench.store, kind.folder, kind.identity.digest, first, [old], seconds=0.0)
    assert b'"reader": 1' in to_line(old)
    assert bench.store.stat(shard_key(kind.folder, first.key))
    assert all(isinstance(outcome, Captioned) for outcome in bench.caption().values())


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
    (outcome,) = Bench(tmp_path, text, finish).caption().values()
    assert isinstance(outcome, Captioned)
    assert (outcome.ok, outcome.objects, outcome.text) == (False, None, text)
    assert outcome.reason is Reason.CAPTION_INVALID
    assert any(says in violation for violation in outcome.violations)


def test_a_caption_that_an_earlier_release_took_and_todays_rules_do_not_is_refused(bench: Bench) -> None:
    text = json.dumps({"object_1": {"desc": "BBU\ufffd设备", "bbox_2d": [0, 500, 250, 1000]}}, ensure_ascii=False)
    (good, *_) = bench.caption().values()
    assert isinstance(good, Captioned)
    once_good = good.model_copy(update={"text": text, "objects": json.loads(text)})
    today = bench.kind.take_over(once_good)
    assert isinstance(today, Captioned)
    assert (today.ok, today.objects, today.reason) == (False, None, Reason.CAPTION_INVALID)
    assert today.violations == ('object_1: desc_replacement: desc is "BBU\ufffd设备"',)
    assert bench.kind.take_over(good) is good
