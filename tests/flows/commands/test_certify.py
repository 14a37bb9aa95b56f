"""Tests of `fieldcheck certify` and `fieldcheck review forecast`: from a judgement over people's labels to a
certificate, and to verdicts that go out by themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from blocks.local_store import LocalStore
from flows.cli import main
from flows.stage_b import stage_b
from tasks.records.certificates import Look
from tasks.records.jsonl import to_line
from tasks.records.reviews import Queue, ReviewEvent
from tasks.records.stage_b import Ticket
from tasks.records.verdicts import Selection, Verdict
from tasks.runs.keys import reviews_folder
from tasks.verdicts.audit import by_lot, verdict_key
from tests.builders import MISSION, make_group, sha
from tests.demo import Demo
from tests.judging import RuleJudge, publish_drawn

GOOD, CROOKED = "BBU设备/品牌:华为×2，挡风板/安装规范×1", "BBU设备/品牌:华为×2，挡风板/安装不规范×1"
PASS, FAIL = Verdict.PASS, Verdict.FAIL

Command = Callable[..., dict[str, Any]]


@pytest.fixture
def judged(demo: Demo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Judge 90 groups, 15 of them bad, as the defaults say."""
    engine = RuleJudge()
    monkeypatch.setattr("tasks.work.task.open_engine", lambda spec: engine)
    groups = [
        (make_group(f"QC-{number:04d}", contents=[f"{number}"], label=None), [CROOKED if number % 6 == 5 else GOOD])
        for number in range(90)
    ]
    published = publish_drawn(LocalStore(tmp_path), groups)

    def run(**judge: Any) -> dict[str, Any]:
        summary: dict[str, Any] = stage_b(
            manifest=published.uri, model={"base": demo.checkpoint}, device="cpu", judge=judge
        )
        return summary

    return run


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Run a command on the mission; its last line."""

    def run(*command: str, code: int = 0) -> dict[str, Any]:
        capsys.readouterr()
        assert main([*command, "--mission", MISSION, "--store", str(tmp_path)]) == code
        out, err = capsys.readouterr()
        return {**(json.loads(out.splitlines()[-1]) if out else {}), "err": err}

    return run


def answer(
    store: Path, tickets: Iterable[Ticket], verdict: Verdict = PASS, queue: Queue = Queue.CERTIFY, by: str = "甲"
) -> None:
    """Somebody's blind answers."""
    for one in tickets:
        event = ReviewEvent(
            event="answered",
            queue=queue,
            answer_key=one.answer_key,
            evidence_digest=sha("evidence"),
            group_id=one.group_id,
            verdict=verdict,
            reviewer=by,
            at="2026-03-01T08:00:00Z",
            blind=True,
        )
        key = f"{reviews_folder(MISSION)}/{one.answer_key}/20260301T080000Z-{queue.value}{by}.json"
        LocalStore(store).write(key, to_line(event))


def tickets_of(summary: dict[str, Any]) -> dict[str, Ticket]:
    """The tickets of a judgement, by id."""
    lines = (Path(summary["judgement"]).parent / "tickets.jsonl").read_bytes().splitlines()
    return {one.ticket_id: one for one in map(Ticket.model_validate_json, lines)}


def selections_of(summary: dict[str, Any]) -> list[Selection]:
    """The selections of a judgement."""
    lines = (Path(summary["judgement"]).parent / "selections.jsonl").read_bytes().splitlines()
    return [Selection.model_validate_json(line) for line in lines]


def test_from_a_judgement_to_verdicts_that_go_out_by_themselves(
    judged: Callable[..., dict[str, Any]], told: Command, tmp_path: Path
) -> None:
    before = judged()
    assert before["decisions"] == {"通过": 0, "不通过": 0, "人工复核": 90}
    tickets = tickets_of(before)

    forecast = told("review", "forecast", "--draw", "59")
    assert forecast["needed"] == {"0": 59, "1": 93, "2": 124, "3": 153}
    assert (forecast["state"], forecast["more"], forecast["can_be_drawn"]) == ("forecast", 59, 75)
    assert "label these 59 to certify 5 %" in forecast["err"]

    opened = told("certify", "--draw", "59")
    assert (opened["state"], opened["more"], opened["threshold"]) == ("open", 59, None)
    assert f"of judgement {Path(before['judgement']).parent.name}, on texts of Stage-A" in opened["err"]
    assert opened["label"] == forecast["label"]
    assert told("review", "forecast")["label"] == opened["label"]

    asked = [tickets[name] for name in opened["label"]]
    answer(tmp_path, asked[:58])
    answer(tmp_path, asked[58:], queue=Queue.FIX)
    lacking = told("certify")
    assert (lacking["state"], lacking["more"], lacking["label"]) == ("open", 1, [asked[58].ticket_id])
    assert "1 labels are refused" in lacking["err"]
    assert judged()["decisions"]["人工复核"] == 90

    answer(tmp_path, asked[58:])
    certified = told("certify")
    assert (certified["state"], certified["threshold"], certified["n"], certified["k"]) == ("certified", 0.5, 59, 0)
    assert "at most 5 % are wrong, with probability 90 % (0 of 59 labels were" in certified["err"]
    assert "不保证" in certified["err"]
    again = told("certify")
    assert {**again, "err": ""} == {**certified, "err": ""}

    after = judged()
    assert after["decisions"] == {"通过": 75, "不通过": 0, "人工复核": 15}
    out = [one for one in selections_of(after) if one.decision == "通过"]
    drawn = [one for one in out if one.audit is not None]
    assert drawn

    answer(tmp_path, [tickets[one.ticket_id] for one in drawn], FAIL, Queue.AUDIT)
    audits = told("certify")["audits"]
    assert (audits["drawn"], audits["answered"], audits["rate"]["value"]) == (len(drawn), len(drawn), 1.0)
    assert audits["rate"]["method"] == "korn-graubard"
    assert (audits["alarm"]["wrong"], audits["alarm"]["alpha"]) == (len(drawn), 0.05)
    second = told("certify", "--again", "--draw", "5")
    keys = {one.answer_key for one in Look.model_validate_json(_look(tmp_path, 2)).labels if one.drawn == "audit"}
    assert (second["look"], second["state"]) == (2, "open")
    even = [one for one in drawn if by_lot(verdict_key(one.evidence_digest, one.judge_key), 0)]
    assert keys == {tickets[one.ticket_id].answer_key for one in even} - {one.answer_key for one in asked}


def _look(store: Path, number: int) -> bytes:
    (path,) = (store / f"stage_b/{MISSION}/calibration/false_pass").glob(f"*/{number:03d}/look.json")
    return path.read_bytes()


def test_a_look_that_is_closed_early_counts_what_is_lacking_as_wrong(
    judged: Callable[..., dict[str, Any]], told: Command, tmp_path: Path
) -> None:
    tickets = tickets_of(judged())
    opened = told("certify", "--draw", "60", "--by", "王")
    answer(tmp_path, [tickets[name] for name in opened["label"][:59]])
    ended = told("certify", "--close")
    assert (ended["state"], ended["more"], ended["threshold"]) == ("none", 33, None)
    assert "look 1 certifies nothing at 5 %; 33 more labels, all right, would have" in ended["err"]
    assert judged()["decisions"]["人工复核"] == 90


def test_a_certificate_is_for_the_judge_that_was_looked_at(
    judged: Callable[..., dict[str, Any]], told: Command, tmp_path: Path
) -> None:
    first = judged()
    tickets = tickets_of(first)
    opened = told("certify", "--draw", "59")
    answer(tmp_path, [tickets[name] for name in opened["label"]])
    assert told("certify")["state"] == "certified"
    other = judged(rules=("至少有一台BBU设备",))
    assert other["decisions"]["人工复核"] == 90
    run = Path(first["judgement"]).parent.name
    assert told("certify", "--judgement", run)["state"] == "certified"
    forecast = told("review", "forecast", "--draw", "59", "--judgement", Path(other["judgement"]).parent.name)
    assert (forecast["look"], forecast["known"]) == (1, 0)
    assert forecast["certificate_key"] != opened["certificate_key"]


def test_what_cannot_be_certified_is_told_with_a_cure(
    judged: Callable[..., dict[str, Any]], told: Command, tmp_path: Path
) -> None:
    assert "run stage-b first" in told("certify", code=2)["err"]
    judged()
    assert "75 groups can be drawn, not 93" in told("certify", code=2)["err"]
    assert "judgement: " in told("certify", "--judgement", "0" * 16, code=2)["err"]
    assert "action: there is no 'guess'" in told("review", "guess", code=2)["err"]
    assert told("certify", "--draw", "59")["state"] == "open"
    assert "share" in told("certify", "--delta", "0.2", code=2)["err"]
