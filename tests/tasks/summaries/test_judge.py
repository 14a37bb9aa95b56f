"""Tests of judging again what earlier runs know: nothing bad is published, nothing is asked twice, no byte differs."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.local_store import LocalStore
from configs.parts import LadderConfig
from tasks.records.jsonl import to_line
from tasks.records.outcomes import Answered, Outcome, Unfinished
from tasks.records.reasons import Reason
from tasks.runs.publish import publish
from tasks.runs.reuse import Reused, reuse
from tasks.runs.shards import read_shard, write_shard
from tasks.work.plan import plan_shards
from tasks.work.reader import ShardReader
from tests.builders import (
    FOLDER,
    MISSION,
    examples,
    files_under,
    make_bad,
    make_failed,
    make_group,
    make_identity,
    make_ledger,
    make_photo,
    make_run,
    make_summaries,
    make_summarised,
)
from tests.tasks.work.table_engine import TableEngine

GOOD = "BBU设备/品牌:华为×1"
ONCE_GOOD = ["BBU设备\ufffd×1", "BBU设备／品牌:华为×1", "BBU设备\u200b×1", "BBU×1，bbu×2", "BBU×1，备注: 看\u3000清"]
BAD = "BBU设备"
LADDER = LadderConfig()
RUNGS = 1 + len(LADDER.temperatures)
IDENTITY = make_identity()
KIND = make_summaries()
DETAIL = f"no good summary in {RUNGS} attempts; the last one breaks: no_count"
FACTS = {"prompt_tokens", "visual_tokens", "completion_tokens", "width", "height", "shown_width", "shown_height"}
Answers = Mapping[str, Sequence[str]]
"""Of each photo, what the model says on each rung."""


def old_store(folder: Path, answers: Answers, per_shard: int) -> LocalStore:
    """What the release before wrote of photos with these answers, one a rung: it took more texts for good ones."""
    store = LocalStore(folder)
    photos = [make_photo(content) for content in answers]
    outcomes: list[Answered] = []
    for photo, told in zip(photos, answers.values(), strict=True):
        rung = next((n for n, text in enumerate(told) if text != BAD), RUNGS - 1)
        good = told[rung] != BAD
        outcomes.append(
            make_summarised(photo, told[rung], attempts=rung + 1)
            if good
            else make_summarised(
                photo, BAD, attempts=RUNGS, violations=("no_count",), reason=Reason.SUMMARY_INVALID, detail=DETAIL
            )
        )
    for start in range(0, len(outcomes), per_shard):
        part = sorted(outcomes[start : start + per_shard], key=lambda outcome: outcome.work_key)
        data = b"".join(to_line(outcome) for outcome in part)
        keys = [outcome.work_key for outcome in part]
        name = hashlib.sha256("\n".join(keys).encode()).hexdigest()
        index = {"shard": name, "sha256": hashlib.sha256(data).hexdigest(), "epoch": 0, "work_keys": keys}
        store.write(f"stage_a/{MISSION}/shards/{name}.jsonl", data)
        place = f"stage_a/{MISSION}/index/{IDENTITY.digest[:16]}/000000-{name}.json"
        store.write(place, json.dumps(index, separators=(",", ":")).encode() + b"\n")
    return store


def run(store: LocalStore, answers: Answers, per_shard: int) -> tuple[Reused, int, dict[str, bytes]]:
    """A whole run without a model: what it took over, how often it asked, and what it published."""
    groups = [make_group("QC-0001", contents=[content]) for content in list(answers)[:1]]
    groups += [make_group(f"QC-{n:04}", contents=[content]) for n, content in enumerate(answers, start=2)]
    photos = {IDENTITY.work_key(make_photo(content).sha256): content for content in answers}
    asked = 0
    with make_ledger(groups) as ledger:
        taken = reuse(store, FOLDER, IDENTITY.digest, ledger.works, KIND.take_over)
        for shard in plan_shards(ledger.works.pending(), lambda: per_shard, 0, KIND.revision):
            left = {i.work_key: [(t, "stop") for t in answers[photos[i.work_key]]][i.asked :] for i in shard.items}
            engine = TableEngine(left)  # type: ignore[arg-type]
            content = {item.about.key: photos[item.work_key].encode() for item in shard.items}
            # Photos are told apart by their bytes, and each is at a place of its own.
            assert len(content) == len(shard.items)
            outcomes = ShardReader(engine, KIND, content.__getitem__).outcomes(shard)
            asked += sum(map(len, engine.calls))
            receipt = write_shard(store, FOLDER, IDENTITY.digest, shard, list(map(alike, outcomes)), seconds=0.0)
            ledger.works.answer(map(KIND.judge_again, read_shard(store, receipt.key, receipt.sha256)))
        assert ledger.works.count(answered=False) == 0
        published = publish(store, make_run(), ledger)
    folder = published.uri.removeprefix(store.uri_of("")).rpartition("/")[0].lstrip("/")
    return taken, asked, {key: data for key, data in files_under(store).items() if key.startswith(folder)}


def alike(outcome: Outcome) -> Outcome:
    """Facts of the photo as `make_summarised` has them: the engine of this test makes up others."""
    assert isinstance(outcome, Answered)
    return outcome.model_copy(update=make_summarised(make_photo("any")).model_dump(include=FACTS))


ladders = st.lists(st.sampled_from([GOOD, BAD, *ONCE_GOOD]), min_size=RUNGS, max_size=RUNGS)


@examples(20)
@given(st.dictionaries(st.sampled_from("abcdefgh"), ladders, min_size=1, max_size=6), st.integers(1, 4))
def test_a_run_over_an_older_store_publishes_what_one_that_knows_nothing_does(
    answers: dict[str, list[str]], per_shard: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fresh, old = LocalStore(Path(folder) / "fresh"), old_store(Path(folder) / "old", answers, per_shard)
        before = files_under(old)
        _, asked_fresh, expected = run(fresh, answers, per_shard)
        taken, asked, published = run(old, answers, per_shard)
        assert published == expected
        for name, data in published.items():
            assert not name.endswith("_stage_a.jsonl") or not any(text.encode() in data for text in ONCE_GOOD)
        assert before.items() <= files_under(old).items()  # no shard is written over
        known = sum(next((n for n, text in enumerate(t, 1) if text != BAD), RUNGS) for t in answers.values())
        assert asked == asked_fresh - known  # no answer that is there is asked for again
        broken = sum(next((text for text in told if text != BAD), GOOD) != GOOD for told in answers.values())
        assert taken.refused + taken.unfinished == broken
        taken, asked, published = run(old, answers, per_shard)
        assert (asked, taken.unfinished, published) == (0, 0, expected)


def test_an_outcome_that_is_what_it_was_is_the_same_object() -> None:
    for outcome in (make_summarised(make_photo("a")), make_bad(make_photo("b")), make_failed(make_photo("c"))):
        assert KIND.judge_again(outcome) is outcome
        assert KIND.take_over(outcome) is outcome


@pytest.mark.parametrize("text", ONCE_GOOD)
def test_what_is_refused_now_goes_on_where_the_ladder_was_left(text: str) -> None:
    stored = [make_summarised(make_photo("a"), text, attempts=n) for n in range(1, RUNGS + 1)]
    told = [KIND.take_over(outcome) for outcome in stored]
    assert told[:-1] == [Unfinished(outcome.work_key, outcome.attempts) for outcome in stored[:-1]]
    last = told[-1]
    assert isinstance(last, Answered)
    assert (last.ok, last.reason, last.text) == (False, Reason.SUMMARY_INVALID, text)
    assert last.violations
    without = make_summaries(ladder=LadderConfig(temperatures=())).take_over(stored[0])
    assert isinstance(without, Answered)
    assert not without.ok


def test_what_was_refused_is_told_by_todays_names_and_never_becomes_good() -> None:
    renamed = make_summarised(
        make_photo("a"), "BBU设备\ufffd", attempts=RUNGS, violations=("no_count",), reason=Reason.SUMMARY_INVALID
    )
    told = KIND.judge_again(renamed)
    assert isinstance(told, Answered)
    assert told.violations == ("replacement_character", "no_count")
    refused = make_summarised(make_photo("a"), GOOD, violations=("odd",), reason=Reason.SUMMARY_INVALID, attempts=RUNGS)
    assert KIND.judge_again(refused) is refused
    other = make_summarised(make_photo("a"), "BBU设备\ufffd×1", reason=Reason.CHANGED)
    assert KIND.take_over(other) is other
