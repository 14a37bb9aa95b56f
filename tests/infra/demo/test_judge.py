"""The demo's judge: shipped as what differs from the checkpoint that reads photos, and right about new tickets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from infra.demo import pack
from infra.demo.scenes import Split
from infra.demo.training.critics import candidate
from infra.demo.training.examine_verdicts import ask, drawn, opinions
from infra.demo.training.tickets import Box, pool
from infra.demo.training.verdict_marks import critic_marks, marks
from tasks.engines.transformers import TransformersEngine

JUDGE = pack.DEMO / "judge"
FIRST = 960_000_000  # tickets that neither lessons nor the report have


@pytest.fixture(scope="module")
def expanded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack.expand(tmp_path_factory.mktemp("demo") / "judge", over=JUDGE)


@pytest.fixture(scope="module")
def engine(expanded: Path) -> Iterator[TransformersEngine]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    engine = TransformersEngine(str(expanded), device="cpu")
    yield engine
    engine.close()
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def box() -> Box:
    return Box(pool(Split.TESTS, 1000))


def test_the_judge_is_small_and_reads_photos_as_the_checkpoint_does(expanded: Path, checkpoint: Path) -> None:
    assert sum(path.stat().st_size for path in JUDGE.iterdir()) < 4_000_000
    differing = pack.read_bf16(JUDGE / pack.WEIGHTS)
    assert not any("visual" in name for name in differing)
    for path in checkpoint.iterdir():
        if path.name not in (pack.WEIGHTS, pack.DIGEST):
            assert (expanded / path.name).read_bytes() == path.read_bytes()
    assert pack.digest_of(pack.DEMO / "checkpoint", JUDGE) != pack.digest_of(pack.DEMO / "checkpoint")


def test_a_changed_judge_is_expanded_anew(expanded: Path, tmp_path: Path) -> None:
    over = tmp_path / "over"
    over.mkdir()
    (over / pack.WEIGHTS).write_bytes((pack.DEMO / "checkpoint" / pack.WEIGHTS).read_bytes())
    target = tmp_path / "judge"
    pack.expand(target, over=over)
    plain = json.loads((target / pack.DIGEST).read_text(encoding="utf-8"))
    pack.expand(target, over=JUDGE)
    assert json.loads((target / pack.DIGEST).read_text(encoding="utf-8")) != plain
    assert (target / pack.WEIGHTS).read_bytes() == (expanded / pack.WEIGHTS).read_bytes()


def test_it_judges_tickets_of_scenes_that_no_lesson_had(engine: TransformersEngine, box: Box) -> None:
    tickets = drawn(box, 32, FIRST)
    found = marks(tickets, ask(engine, tickets))
    assert found["format"]["share"] >= 0.97
    assert found["verdict, 1 to 4 photos"]["share"] >= 0.95
    assert found["photos cited, 1 to 4 photos"]["share"] >= 0.8


def test_it_doubts_where_evidence_is_missing(engine: TransformersEngine, box: Box) -> None:
    tickets = [box.ticket(FIRST + 1000 + place, wanted=None) for place in range(12)]
    found = marks(tickets, ask(engine, tickets))
    assert found["missing evidence: confidence below 0.7"]["share"] >= 0.8
    assert found["missing evidence: says what"]["share"] >= 0.7


def test_its_critic_writes_strict_json(engine: TransformersEngine, box: Box) -> None:
    tickets = drawn(box, 16, FIRST + 2000)
    told = [candidate(ticket) for ticket in tickets]
    assert critic_marks(tickets, told, opinions(engine, tickets, told))["strict JSON"]["share"] >= 0.95
