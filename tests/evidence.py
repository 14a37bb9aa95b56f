"""Published runs with photos on a disk, and judgements of them, for whoever makes pages. Knows no test."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from blocks.local_store import LocalStore
from tasks.records.guidance import seed_guidance
from tasks.records.photos import Group, Label, Photo
from tasks.records.verdicts import ReviewReason, Selection, Trajectory, Verdict
from tasks.runs.publish import Published
from tasks.tickets.ingest import ingest
from tasks.tickets.read import read_tickets
from tasks.verdicts.audit import with_audits
from tasks.verdicts.evidence import evidence_of
from tasks.verdicts.identity import judge_key, stage_a_of
from tasks.verdicts.judgement import Judgement
from tasks.verdicts.publish import PublishedJudgement, publish
from tests.builders import MISSION, make_failed, make_photo_bytes, make_summarised, publish_groups
from tests.tasks.assurance.made_up import FAIL, make_clause, make_critic, make_selection, make_trajectory

JUDGE: dict[str, object] = {"checkpoint": "made up", "scoring": "logprobs"}
SUMMARY = "BBU设备/品牌:华为×{number}，挡风板/安装规范×1"


def put_group(
    root: Path,
    group_id: str,
    photos: int = 2,
    make: Callable[[int], bytes] = lambda number: make_photo_bytes(seed=number),
    seed: int = 0,
    label: Label | None = None,
) -> Group:
    """A group whose photos lie under `root`; they differ by `seed` and number."""
    found = []
    folder = f"{MISSION}/{label}/{group_id}" if label else f"{MISSION}/{group_id}"
    (root / folder).mkdir(parents=True, exist_ok=True)
    for number in range(1, photos + 1):
        data, name = make(100 * seed + number), f"img{number}.jpg"
        (root / folder / name).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        found.append(Photo(name, f"{folder}/{name}", size=len(data), sha256=digest, width=64, height=48))
    return Group(group_id, MISSION, label, tuple(found), marked=True, folder=folder)


def publish_photos(
    store: LocalStore,
    groups: Sequence[Group],
    bad: Sequence[Group] = (),
    summary: Callable[[str, int], str] = lambda group, number: SUMMARY.format(number=number),
) -> Published:
    """A Stage-A run of these groups; the photos of the `bad` ones are quarantined."""
    outcomes = {
        outcome.work_key: outcome
        for group in groups
        for number, photo in enumerate(group.photos, start=1)
        for outcome in [make_summarised(photo, summary(group.group_id, number))]
    }
    outcomes |= {one.work_key: one for group in bad for one in map(make_failed, group.photos)}
    return publish_groups(store, [*groups, *bad], outcomes)


def publish_judgement(
    store: LocalStore, run: Published, told: Callable[[int, str], Verdict | ReviewReason]
) -> PublishedJudgement:
    """A judgement of a run: of each ticket, by its number and its group, a verdict, or why a person must look. Each has
    three candidates, of which one breaks a rule, and a critic."""
    ingested = ingest(store, run.key, store)
    tickets = read_tickets(store, ingested.key, ingested.sha256)
    selections: list[Selection] = []
    trajectories: list[Trajectory] = []
    for number, ticket in enumerate(tickets.tickets):
        said = told(number, ticket.group_id)
        verdict = said if isinstance(said, Verdict) else FAIL
        one = make_selection(
            number,
            verdict,
            reasons=(said,) if isinstance(said, ReviewReason) else (),
            ticket_id=ticket.ticket_id,
            group_id=ticket.group_id,
            evidence_digest=evidence_of(ticket).digest,
            judge_key=judge_key(JUDGE),
            clauses=(make_clause(cites=("image_1",)), make_clause("wrong", "没有挡风板", ("全部",))),
            critic=make_critic(verdict),
        )
        selections.append(one)
        if one.evidence_digest not in {line.evidence_digest for line in trajectories[-3:]}:
            broken = {"text": "说不清", "verdict": None, "violations": ("missing_line",)}
            trajectories += [make_trajectory(one, index, **(broken if index == 2 else {})) for index in range(3)]
    judgement = Judgement(
        mission=MISSION,
        judge=JUDGE,
        guidance=seed_guidance(("两台BBU之间有挡风板",)),
        tickets=tickets.tickets,
        trajectories=trajectories,
        selections=with_audits(selections, 0),
        unjudged=tickets.unjudged,
        stage_a=stage_a_of(run.manifest),
        certificates=(),
        audit_seed=0,
    )
    return publish(store, judgement)
