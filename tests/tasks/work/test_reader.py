"""Tests of reading shards: every item has one outcome, and a bad answer climbs the retry ladder."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.errors import ObjectMissing, StoreDenied, StoreUnavailable
from configs.parts import GenerationConfig, LadderConfig
from tasks.engines.protocol import Completion, Failure, Request, Results
from tasks.records.errors import EngineError, NoScores, PhotoError
from tasks.records.outcomes import Answered, Failed, Outcome, lasts
from tasks.records.reasons import Reason
from tasks.records.work import Shard, WorkItem
from tasks.summaries.kind import Summaries
from tasks.work.reader import ShardReader
from tests.builders import examples, make_item, make_photo, make_shard, make_summaries, sha
from tests.tasks.work.table_engine import Answer, TableEngine

GOOD, BAD, CUT = ("BBU设备×1", "stop"), ("BBU设备", "stop"), ("BBU设备×1", "length")
KIND = make_summaries(GenerationConfig(max_new_tokens=96, seed=7))


def items(count: int) -> list[WorkItem]:
    """Different photos; the bytes of each are its key."""
    photos = [make_photo(str(index), f"img{index}.jpg") for index in range(count)]
    return [make_item(replace(photo, sha256=sha(photo.key))) for photo in photos]


def run(
    told: Sequence[Sequence[Answer]], kind: Summaries = KIND, unreadable: frozenset[int] = frozenset()
) -> tuple[list[Outcome], TableEngine, list[WorkItem], int]:
    """Summarise photos with these answers: outcomes in the order of `told`, engine, items, and photos counted."""
    work = items(len(told))
    engine = TableEngine({item.work_key: answers for item, answers in zip(work, told, strict=True)})
    counted: list[None] = []

    def read_photo(key: str) -> bytes:
        if key in {work[index].about.key for index in unreadable}:
            raise PhotoError(Reason.TRUNCATED_IMAGE, "cut off")
        return key.encode()

    outcomes = ShardReader(engine, kind, read_photo).outcomes(make_shard(work), lambda: counted.append(None))
    assert [outcome.work_key for outcome in outcomes] == sorted(item.work_key for item in work)
    by_key = {outcome.work_key: outcome for outcome in outcomes}
    return [by_key[item.work_key] for item in work], engine, work, len(counted)


def test_good_answers_take_one_call_for_all_photos() -> None:
    outcomes, engine, work, counted = run([[GOOD]] * 5)
    assert len(engine.calls) == 1
    assert counted == 5
    for item, outcome in zip(work, outcomes, strict=True):
        assert isinstance(outcome, Answered)
        assert outcome.ok
        assert (outcome.text, outcome.finish_reason, outcome.attempts, outcome.engine) == (*GOOD, 1, "table")
        assert (outcome.sha256, outcome.violations, outcome.detail) == (item.about.sha256, (), None)
        assert outcome.prompt_tokens == 100 + len(item.about.key.encode())
        assert (outcome.width, outcome.height) == (640, 480)


def test_a_request_carries_prompt_decoding_photo_and_size() -> None:
    _, engine, work, _ = run([[GOOD]])
    (request,) = engine.calls[0]
    assert (request.id, request.system, request.user) == (work[0].work_key, KIND.prompt.system, KIND.prompt.user)
    assert (request.decoding.max_new_tokens, request.decoding.temperature, request.decoding.seed) == (96, 0.0, 7)
    assert request.size == (64, 48)
    assert request.read() == work[0].about.key.encode()


def test_a_bad_summary_is_asked_again_until_it_is_good() -> None:
    outcomes, engine, work, counted = run([[GOOD], [BAD, BAD, GOOD], [GOOD], [BAD, GOOD]])
    assert [outcome.attempts for outcome in outcomes if isinstance(outcome, Answered)] == [1, 3, 1, 2]
    assert all(outcome.ok for outcome in outcomes)
    assert [len(call) for call in engine.calls] == [4, 2, 1]
    assert counted == 4
    rungs = [request.decoding for request in engine.asked(work[1].work_key)]
    assert [(rung.temperature, rung.seed) for rung in rungs] == [(0.0, 7), (0.0, 8), (0.4, 9)]


def test_at_the_end_of_the_ladder_the_last_answer_is_kept_with_what_is_wrong() -> None:
    (outcome,), engine, _, counted = run([[BAD, ("BBU设备×0", "stop"), ("", "stop"), ("无关图片。", "stop")]])
    assert isinstance(outcome, Answered)
    assert not outcome.ok
    assert (outcome.text, outcome.attempts, outcome.reason) == ("无关图片。", 4, Reason.SUMMARY_INVALID)
    assert outcome.violations == ("final_period", "no_count")
    assert outcome.detail == "no good summary in 4 attempts; the last one breaks: final_period, no_count"
    assert (len(engine.calls), counted) == (4, 1)


def test_an_answer_that_the_token_limit_cut_is_bad_however_good_it_looks() -> None:
    (outcome,), _, _, _ = run([[CUT]])
    assert isinstance(outcome, Answered)
    assert (outcome.ok, outcome.finish_reason, outcome.violations) == (False, "length", ("cut_off",))


def test_a_photo_that_an_earlier_run_asked_goes_on_at_the_next_rung() -> None:
    fresh, begun = items(2)
    work = [fresh, replace(begun, asked=2)]
    engine = TableEngine({fresh.work_key: [GOOD], begun.work_key: [BAD, GOOD]})
    outcomes = ShardReader(engine, KIND, str.encode).outcomes(make_shard(work))
    assert {outcome.work_key: outcome.attempts for outcome in outcomes if isinstance(outcome, Answered)} == {
        fresh.work_key: 1,
        begun.work_key: 4,
    }
    assert [request.decoding.seed for request in engine.asked(begun.work_key)] == [9, 10]


def test_without_a_ladder_nothing_is_asked_again() -> None:
    kind = make_summaries(ladder=LadderConfig(temperatures=()))
    (outcome,), engine, _, counted = run([[BAD, GOOD]], kind)
    assert isinstance(outcome, Answered)
    assert (outcome.ok, outcome.attempts, len(engine.calls), counted) == (False, 1, 1, 1)
    assert "in 1 attempts" in (outcome.detail or "")


def test_a_photo_that_cannot_be_read_has_its_reason_and_costs_no_other() -> None:
    outcomes, engine, work, counted = run([[GOOD], [GOOD], [BAD, GOOD]], unreadable=frozenset({1}))
    assert isinstance(outcomes[1], Failed)
    assert (outcomes[1].reason, outcomes[1].detail) == (Reason.TRUNCATED_IMAGE, "cut off")
    assert outcomes[1].sha256 == work[1].about.sha256
    assert [outcome.ok for outcome in outcomes] == [True, False, True]
    assert len(engine.asked(work[1].work_key)) == 1
    assert counted == 3


def test_a_photo_that_goes_bad_between_two_rungs_has_its_reason() -> None:
    (item,) = items(1)
    engine = TableEngine({item.work_key: [BAD]})
    reads: list[str] = []

    def read_photo(key: str) -> bytes:
        reads.append(key)
        if len(reads) > 1:
            raise PhotoError(Reason.CORRUPT_IMAGE, "changed")
        return key.encode()

    (outcome,) = ShardReader(engine, KIND, read_photo).outcomes(make_shard([item]))
    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.CORRUPT_IMAGE
    assert len(reads) == 2


def test_a_store_that_fails_ends_the_shard() -> None:
    def read_photo(key: str) -> bytes:
        raise StoreUnavailable("timed out", uri=key)

    (item,) = items(1)
    with pytest.raises(StoreUnavailable):
        ShardReader(TableEngine({item.work_key: [GOOD]}), KIND, read_photo).outcomes(make_shard([item]))


class Rolling(TableEngine):
    """Draws so many requests ahead of the one that it answers, and keeps their order."""

    def __init__(self, answers: Mapping[str, Sequence[Answer]], depth: int) -> None:
        super().__init__(answers)
        self.depth = depth
        self.drawn: list[str] = []
        self.closed_early = 0

    def generate(self, requests: Iterable[Request]) -> Results:
        """One result a request, in order."""
        self.calls.append([])
        waiting: deque[Request] = deque()
        given = iter(requests)
        try:
            while True:
                while len(waiting) <= self.depth and (request := next(given, None)) is not None:
                    self.drawn.append(request.id)
                    waiting.append(request)
                if not waiting:
                    return
                self.calls[-1].append(request := waiting.popleft())
                told = self.answers[request.id]
                text, finish_reason = told[min(len(self.asked(request.id)), len(told)) - 1]
                yield Completion(request.id, text, finish_reason, 100, 6, len(text), 640, 480, 96, 64)
        except GeneratorExit:
            self.closed_early += 1
            raise


def shards_of(sizes: Sequence[int]) -> list[Shard]:
    """Shards of different photos."""
    work = iter(items(sum(sizes)))
    return [make_shard([next(work) for _ in range(size)]) for size in sizes]


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=6).flatmap(
        lambda sizes: st.tuples(
            st.just(sizes), st.lists(st.integers(0, 4), min_size=sum(sizes), max_size=sum(sizes)), st.integers(0, 9)
        )
    )
)
@examples()
def test_shards_are_read_as_if_each_were_alone_whatever_is_begun_before_its_time(
    told: tuple[list[int], list[int], int],
) -> None:
    sizes, bad, depth = told
    shards = shards_of(sizes)
    work = [item for shard in shards for item in shard.items]
    answers = {item.work_key: [*[BAD] * times, GOOD] for item, times in zip(work, bad, strict=True)}
    engine, place, counted = Rolling(answers, depth), [0], [0]

    def following(after: int) -> Shard | None:
        at = place[0] + 1 + after
        return shards[at] if at < len(shards) else None

    def count() -> None:
        counted[0] += 1

    reading = ShardReader(engine, KIND, str.encode, following)
    for at, shard in enumerate(shards):
        place[0], counted[0] = at, 0
        alone = ShardReader(Rolling(answers, 0), KIND, str.encode).outcomes(shard)
        assert reading.outcomes(shard, count) == alone
        assert counted[0] == len(shard.items)
    drawn = [engine.drawn.count(item.work_key) for item in work]
    assert drawn == [min(times, 3) + 1 for times in bad]
    assert len(engine.calls) == 1 or any(bad) or len(shards) > 3


def test_the_next_shard_is_begun_while_this_one_is_answered_and_no_sooner() -> None:
    shards = shards_of([8, 8, 8])
    engine = Rolling({item.work_key: [GOOD] for shard in shards for item in shard.items}, depth=3)
    asked: list[int] = []
    left = shards[1:2]

    def following(after: int) -> Shard | None:
        asked.append(len(engine.calls[0]))
        return left[after] if after < len(left) else None

    reading = ShardReader(engine, KIND, str.encode, following)
    reading.outcomes(shards[0])
    left.clear()
    assert asked == [5]  # the last of eight was drawn for the fifth
    assert engine.drawn[8:] == [item.work_key for item in shards[1].items[: len(engine.drawn) - 8]]
    assert len(engine.drawn) > 8
    reading.outcomes(shards[1])
    assert len(engine.calls) == 1


def test_no_more_than_two_shards_are_begun_before_their_time() -> None:
    shards = shards_of([1] * 9)
    engine = Rolling({item.work_key: [GOOD] for shard in shards for item in shard.items}, depth=100)
    reading = ShardReader(engine, KIND, str.encode, lambda after: shards[1 + after])
    reading.outcomes(shards[0])
    assert engine.drawn == [shard.items[0].work_key for shard in shards[:3]]


def test_another_shard_than_the_one_that_was_begun_is_read_all_the_same() -> None:
    shards = shards_of([4, 4, 4])
    engine = Rolling({item.work_key: [GOOD] for shard in shards for item in shard.items}, depth=9)
    reading = ShardReader(engine, KIND, str.encode, lambda after: shards[1] if after == 0 else None)
    assert len(reading.outcomes(shards[0])) == 4
    assert {outcome.work_key for outcome in reading.outcomes(shards[2])} == {item.work_key for item in shards[2].items}
    assert engine.closed_early == 1
    reading.close()


def test_after_an_error_nothing_of_what_was_begun_is_left() -> None:
    first, second = shards_of([3, 3])
    engine = Rolling({item.work_key: [GOOD] for item in first.items}, depth=1)
    del engine.answers[first.items[2].work_key]  # type: ignore[attr-defined]
    left = [second]
    reading = ShardReader(engine, KIND, str.encode, lambda after: left[after] if after < len(left) else None)
    with pytest.raises(KeyError):
        reading.outcomes(first)
    engine.answers = {item.work_key: [GOOD] for item in [*first.items, *second.items]}
    assert all(outcome.ok for outcome in reading.outcomes(first))
    left.clear()
    assert all(outcome.ok for outcome in reading.outcomes(second))


def test_an_engine_that_leaves_out_photos_is_an_error() -> None:
    class Forgetful(TableEngine):
        def generate(self, requests: Iterable[Request]) -> Results:
            yield from super().generate(list(requests)[:1])

    work = items(3)
    engine = Forgetful({item.work_key: [GOOD] for item in work})
    with pytest.raises(EngineError, match="engine table left 2 questions without an answer"):
        ShardReader(engine, KIND, str.encode).outcomes(make_shard(work))


def test_the_same_photo_twice_is_asked_once() -> None:
    (item,) = items(1)
    engine = TableEngine({item.work_key: [GOOD]})
    assert len(ShardReader(engine, KIND, str.encode).outcomes(make_shard([item, item]))) == 1
    assert len(engine.calls[0]) == 1


def test_a_photo_whose_size_is_not_known_is_asked_without_one() -> None:
    item = make_item(replace(items(1)[0].about, width=0, height=0))
    engine = TableEngine({item.work_key: [GOOD]})
    ShardReader(engine, KIND, str.encode).outcomes(make_shard([item]))
    assert engine.calls[0][0].size is None


def test_no_photo_is_no_outcome() -> None:
    assert ShardReader(TableEngine({}), KIND, str.encode).outcomes(make_shard([])) == []


def test_a_photo_that_was_written_anew_since_it_was_verified_is_not_summarised_and_not_remembered() -> None:
    first, second = items(2)
    engine = TableEngine({item.work_key: [GOOD] for item in (first, second)})
    reading = ShardReader(engine, KIND, lambda key: b"other" if key == first.about.key else key.encode())
    outcomes = reading.outcomes(make_shard([first, second]))
    by_key = {outcome.work_key: outcome for outcome in outcomes}
    assert by_key[first.work_key].reason is Reason.CHANGED
    assert not lasts(by_key[first.work_key])
    assert lasts(by_key[second.work_key])


@pytest.mark.parametrize("error", [ObjectMissing("gone", uri="x"), StoreDenied("refused", uri="x")])
def test_a_photo_that_went_away_since_it_was_verified_costs_no_other(error: Exception) -> None:
    first, second = items(2)
    engine = TableEngine({item.work_key: [GOOD] for item in (first, second)})

    def read_photo(key: str) -> bytes:
        if key == first.about.key:
            raise error
        return key.encode()

    outcomes = ShardReader(engine, KIND, read_photo).outcomes(make_shard([first, second]))
    by_key = {outcome.work_key: outcome for outcome in outcomes}
    assert by_key[first.work_key].reason is Reason.UNREADABLE
    assert not lasts(by_key[first.work_key])
    assert by_key[second.work_key].ok


class Refusing(TableEngine):
    """Has no answer for the photos that it is told, in a typed way, so many times each."""

    def __init__(self, answers: Mapping[str, Sequence[Answer]], refused: Mapping[str, tuple[Reason, int]]) -> None:
        super().__init__(answers)
        self.refused = refused

    def generate(self, requests: Iterable[Request]) -> Results:
        """A failure, or what the table says."""
        for result in super().generate(requests):
            reason, times = self.refused.get(result.id, (Reason.ENGINE_FAILED, 0))
            refused = len(self.asked(result.id)) <= times
            yield Failure(result.id, PhotoError(reason, "no answer")) if refused else result


@pytest.mark.parametrize(
    "reason", [Reason.CONTENT_REFUSED, Reason.REQUEST_REFUSED, Reason.ANSWER_BROKEN_OFF, Reason.ENGINE_FAILED]
)
def test_a_photo_without_an_answer_is_not_asked_again_in_this_run_but_in_the_next(reason: Reason) -> None:
    first, second = items(2)
    engine = Refusing({item.work_key: [GOOD] for item in (first, second)}, {first.work_key: (reason, 9)})
    outcomes = {
        outcome.work_key: outcome
        for outcome in ShardReader(engine, KIND, str.encode).outcomes(make_shard([first, second]))
    }
    assert outcomes[first.work_key].reason is reason
    assert len(engine.asked(first.work_key)) == 1
    assert not lasts(outcomes[first.work_key])
    assert outcomes[second.work_key].ok


def test_an_answer_that_repeats_itself_climbs_the_ladder() -> None:
    first, second = items(2)
    engine = Refusing(
        {item.work_key: [GOOD] for item in (first, second)},
        {first.work_key: (Reason.ANSWER_REPEATS, 2), second.work_key: (Reason.ANSWER_REPEATS, 9)},
    )
    outcomes = {
        outcome.work_key: outcome
        for outcome in ShardReader(engine, KIND, str.encode).outcomes(make_shard([first, second]))
    }
    assert outcomes[first.work_key].ok
    assert len(engine.asked(first.work_key)) == 3
    assert outcomes[second.work_key].reason is Reason.ANSWER_REPEATS
    assert len(engine.asked(second.work_key)) == 4
    assert lasts(outcomes[second.work_key])


def test_an_engine_without_scores_has_none_for_any_question_and_ends_no_shard() -> None:
    """Nor does it for the questions of a shard that was begun ahead."""
    work = items(6)
    shards = [make_shard(work[:3]), make_shard(work[3:])]
    following = deque(shards[1:])

    class Mute(TableEngine):
        def generate(self, requests: Iterable[Request]) -> Results:
            self.calls.append(list(requests))
            raise NoScores("it gives none")
            yield

    engine = Mute({})
    reader = ShardReader(
        engine, KIND, lambda key: key.encode(), lambda ahead: following.popleft() if following else None
    )
    outcomes = [outcome for shard in shards for outcome in reader.outcomes(shard)]
    assert len(engine.calls) == 1
    assert len(outcomes) == 6
    for outcome in outcomes:
        assert isinstance(outcome, Failed)
        assert (outcome.reason, outcome.detail) == (Reason.NO_SCORES, "it gives none")
        assert not lasts(outcome)
