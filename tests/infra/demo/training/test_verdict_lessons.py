"""Lessons of verdicts: the ids that the engine reads, heads at the ends of lines, one reading of what is shared."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoProcessor

from infra.demo import pack
from infra.demo.scenes import Split
from infra.demo.tokenizer import IM_END, ordinary_size
from infra.demo.training import ship
from infra.demo.training.critics import candidate, opinion
from infra.demo.training.learner import Learner
from infra.demo.training.model import Trim, untrained
from infra.demo.training.tickets import Box, pool
from infra.demo.training.verdict_learner import VERDICT_PLACE, VerdictLearner
from infra.demo.training.verdict_lessons import EFFECTS, TOLD, VerdictTeacher
from infra.demo.verdicts import FAIL, PASS, faults
from tasks.engines.prompting import PromptEncoder
from tasks.engines.protocol import Decoding, Request
from tasks.verdicts.critic import candidate_text
from tasks.verdicts.prompts import judge_prompt


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def teacher() -> VerdictTeacher:
    tokenizer = Tokenizer.from_file(str(pack.DEMO / "checkpoint" / "tokenizer.json"))
    return VerdictTeacher(tokenizer, Trim(ordinary_size(tokenizer)), Box(pool(Split.TESTS, 1000)))


@pytest.fixture(scope="module")
def learner(teacher: VerdictTeacher) -> VerdictLearner:
    learner = Learner(untrained(teacher.trim, 0), teacher.trim.unused)
    ship.load_shipped(learner.model, pack.DEMO / "checkpoint")
    return VerdictLearner(learner)


@pytest.mark.parametrize("kind", ["verdict", "critic"])
def test_a_lesson_is_what_the_engine_reads_and_writes(teacher: VerdictTeacher, checkpoint: Path, kind: str) -> None:
    encoder = PromptEncoder(AutoProcessor.from_pretrained(checkpoint, local_files_only=True))
    for ticket in map(teacher.box.ticket, range(20)):
        prompt = judge_prompt(kind, ticket.sheet.mission, ticket.sheet.guidance)  # type: ignore[arg-type]
        text, answer = ticket.evidence.text(), ticket.answer
        if kind == "critic":
            told = candidate(ticket)
            text, answer = text + candidate_text(told.text), opinion(ticket, told)
        request = Request("a", None, prompt.system, prompt.user + text, Decoding(192), shared=len(prompt.user))
        asked, written = encoder.answered(request, answer)
        lessons = teacher.batch(kind, [[ticket]])  # type: ignore[arg-type]
        own = lessons.tickets[0][0]
        assert (*lessons.head, *lessons.sheets[0].ids, *own.ids[: own.first]) == tuple(
            map(teacher.trim.small, (*asked.shared, *asked.own))
        )
        assert own.ids[own.first :] == tuple(map(teacher.trim.small, (*written, IM_END)))


def test_heads_are_asked_at_the_end_of_every_line(teacher: VerdictTeacher) -> None:
    for ticket in map(teacher.box.ticket, range(40)):
        lessons = teacher.batch("verdict", [[ticket]])
        sheet, own = lessons.sheets[0], lessons.tickets[0][0]
        line_end = teacher.tokenizer.encode("\n").ids[0]
        assert [EFFECTS[effect] for _, effect in sheet.lines] == [line.switch or "" for line in ticket.sheet.lines]
        assert all(sheet.ids[place] == line_end for place, _ in sheet.lines)
        assert all(own.ids[place] == line_end for place, *_ in own.photos)
        assert len(own.photos) == len({photo.text for photo in ticket.photos})
        told = {name for _, _, flags, _ in own.photos for name, flag in zip(TOLD, flags, strict=True) if flag}
        seen = {name for one in ticket.photos for name in faults(one, ticket.sheet.mission, ticket.sheet.on)}
        assert seen <= told
        verdict = own.ids[own.first + VERDICT_PLACE]
        assert teacher.tokenizer.decode([verdict]).strip() in {"通过", "不通过"}


def test_sheets_of_different_length_and_the_shortened_last_layer_read_the_same(
    teacher: VerdictTeacher, learner: VerdictLearner
) -> None:
    tickets = [teacher.box.ticket(seed) for seed in range(6)]
    lessons = teacher.batch("verdict", [tickets[:1], tickets[1:2], tickets[2:3]])
    assert len({len(sheet.ids) for sheet in lessons.sheets}) > 1
    with torch.no_grad():
        states, _ = learner._read(lessons)
        for row, (sheet, (own,)) in enumerate(zip(lessons.sheets, lessons.tickets, strict=True)):
            ids = torch.tensor([[*lessons.head, *sheet.ids, *own.ids]])
            whole = learner.learner.language(input_ids=ids, use_cache=False).last_hidden_state[0]
            count = len(own.ids) - own.first
            assert torch.allclose(whole[-count - 1 : -1], states[row, :count], atol=1e-4)


def test_a_step_of_descent_makes_the_loss_smaller(teacher: VerdictTeacher, learner: VerdictLearner) -> None:
    lessons = next(teacher.batches(2, 2, critics=0.0, twins=0.0, seed=5))
    parameters = list(learner.learner.language.parameters())
    optimiser = torch.optim.SGD(parameters, lr=0.02)
    before = learner.loss(lessons)
    before.total.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimiser.step()
    optimiser.zero_grad()
    assert learner.loss(lessons).answers < before.answers


def test_batches_hold_critics_at_the_share_that_was_asked_for(teacher: VerdictTeacher) -> None:
    batches = teacher.batches(1, 1, critics=0.25, twins=0.0, seed=9)
    heads = [next(batches).head for _ in range(80)]
    system = teacher.batch("critic", [[teacher.box.ticket(0)]]).head
    assert 8 < heads.count(system) < 35


def test_twins_are_the_same_photos_under_one_line_more_or_less_that_lessons_may_have(teacher: VerdictTeacher) -> None:
    rng = random.Random(3)
    found = [(tickets, teacher._twin(tickets)) for tickets in (teacher._draw(at, 4, rng) for at in range(0, 120, 4))]
    pairs = [(tickets, twin) for tickets, twin in found if twin]
    assert len(pairs) >= 15
    for tickets, twin in pairs:
        assert [ticket.photos for ticket in tickets] == [ticket.photos for ticket in twin]
        one, other = tickets[0].sheet, twin[0].sheet
        assert len(one.on ^ other.on) == 1
        assert abs(len(one.lines) - len(other.lines)) == 1
        assert teacher.box.teaches(other)
        assert any({a.outcome.verdict, b.outcome.verdict} == {PASS, FAIL} for a, b in zip(tickets, twin, strict=True))


def test_what_hangs_on_most_is_marked_photos_numbers_and_what_a_critic_finds(teacher: VerdictTeacher) -> None:
    for seed in range(40):
        ticket = teacher.box.ticket(seed)
        for kind in ("verdict", "critic"):
            ((own,),) = teacher.batch(kind, [[ticket]]).tickets  # type: ignore[arg-type]
            ids = [own.ids[own.first + place] for place in own.telling]
            numbers = [number for _, cites in ticket.outcome.clauses for number in cites]
            said = map(teacher.tokenizer.decode, ([token] for token in ids))
            assert [int(text) for text in said if text.isdigit()] == numbers
            found = teacher.tokenizer.decode(ids[2 * len(numbers) :])
            assert (candidate(ticket).critique.startswith(found[:3]) and bool(found)) == (kind == "critic")
