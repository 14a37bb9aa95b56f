"""Tests of a kind of question that no room has: about text alone, through the whole pipeline and a real model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from blocks.stores import open_store
from configs.parts import EngineConfig, ModelConfig
from configs.work import WorkConfig
from tasks.checkpoints.resolve import Checkpoint, resolve
from tasks.common.progress import Progress
from tasks.common.queues import SharedQueue
from tasks.engines.open import close_engines
from tasks.engines.protocol import Scores
from tasks.ledger.ledger import Ledger
from tasks.records.errors import EngineError
from tasks.records.outcomes import Answered
from tasks.records.work import Text
from tasks.runs.shards import Receipt
from tasks.work.device import DeviceShards
from tasks.work.plan import pending_shards
from tasks.work.task import collect, infer_shard, plan_run
from tests.demo import Demo
from tests.tasks.work.third_kind import PROMPT, Judged, tickets_of, work_items

TICKETS = [f"工单{number}：" + "，".join(["BBU设备×1", "光模块×3"] * (1 + number % 3)) for number in range(9)]


class Bench:
    """Tickets, a store, and the demo's checkpoint."""

    def __init__(self, demo: Demo, folder: Path) -> None:
        self.config = WorkConfig(
            store=str(folder / "store"),
            device="cpu",
            model=ModelConfig(base=demo.checkpoint),
            engine=EngineConfig(batch_size=4),
            shard_photos=4,
        )
        open_store(self.config.store, self.config.s3).check(write=True)
        self.checkpoint: Checkpoint = resolve(self.config.model, self.config.merge, "cpu")
        self.kind = tickets_of(self.checkpoint.fingerprint)

    def run(self, tickets: list[str]) -> tuple[dict[str, Answered], list[Receipt]]:
        """What was answered, by the ticket, and the shards that this run wrote."""
        with disable_run_logger(), Ledger(self.kind.record) as ledger:
            plan = plan_run.fn(self.config, self.kind, ledger.works, lambda: work_items(self.kind, tickets))
            progress = Progress(plan.pending)
            numbered = enumerate(pending_shards(self.config, plan, ledger.works, lambda: 0.0), start=1)
            shards = DeviceShards("cpu", SharedQueue(numbered))
            receipts = [
                infer_shard.fn(number, shard, plan, self.config, self.checkpoint, progress, shards)
                for number, shard in iter(shards.take, None)
            ]
            shards.close()
            assert progress.done == plan.pending
            collect(self.config, self.kind, ledger.works, receipts)
            told = {}
            for item in work_items(self.kind, tickets):
                outcome = ledger.works.outcome(item.work_key)
                assert isinstance(item.about, Text)
                assert isinstance(outcome, Judged)
                told[item.about.user] = outcome
            return told, receipts


@pytest.fixture
def bench(demo: Demo, tmp_path: Path) -> Iterator[Bench]:
    yield Bench(demo, tmp_path)
    close_engines()


def test_a_kind_without_photos_goes_through_the_whole_pipeline(bench: Bench) -> None:
    answers, receipts = bench.run(TICKETS)
    assert list(answers) == TICKETS
    assert [receipt.items for receipt in receipts] == [4, 4, 1]
    for ticket, outcome in answers.items():
        assert isinstance(outcome, Judged)
        assert outcome.signs == len(outcome.text)
        assert (outcome.visual_tokens, outcome.width, outcome.shown_width) == (0, 0, 0)
        assert outcome.sha256 == Text("", ticket).sha256
        assert outcome.attempts == (1 if outcome.ok else 2)


def test_what_was_answered_is_taken_over_and_only_a_new_ticket_is_asked(bench: Bench) -> None:
    first, _ = bench.run(TICKETS[:5])
    again, receipts = bench.run(TICKETS[:6])
    assert [receipt.items for receipt in receipts] == [1]
    assert {ticket: again[ticket] for ticket in TICKETS[:5]} == first


def test_what_all_tickets_share_is_said_to_the_engine(bench: Bench) -> None:
    (item,) = work_items(bench.kind, TICKETS[:1])
    request = bench.kind.request(item, 0, None)
    assert (request.system, request.user) == (PROMPT.system, PROMPT.user + TICKETS[0])
    assert request.user[: request.shared] == PROMPT.user
    assert (request.read, request.name) == (None, "ticket 1")
    assert bench.kind.request(item, 1, None).decoding.max_new_tokens == 16


def test_scores_are_no_answer_to_a_kind_that_does_not_ask_for_them(bench: Bench) -> None:
    (item,) = work_items(bench.kind, TICKETS[:1])
    with pytest.raises(EngineError, match="scored ticket 1"):
        bench.kind.outcome(item, Scores(item.work_key, (-1.0,), (2,), 9), "table", 1)
