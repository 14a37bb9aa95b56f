"""Tests of Stage-B's flow as it judges: what every ticket becomes, and that nothing but its evidence decides.

The engine here judges by a rule, at once; with the demo's judge see `tests/faults/test_judging.py`.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

from blocks.local_store import LocalStore
from configs.stage_b import StageBConfig
from flows.commands.checks import check_any
from flows.stage_b import stage_b
from tasks.engines.protocol import Failure, Request, Results
from tasks.records.errors import FieldcheckError, ManifestError, NoScores, PhotoError
from tasks.records.jsonl import to_line
from tasks.records.labels import TicketLabel
from tasks.records.photos import Group, Label
from tasks.records.reasons import Reason
from tasks.records.sealed import sealed
from tasks.records.verdicts import JudgementManifest, Verdict
from tasks.runs.keys import latest_key, split_manifest_uri
from tasks.runs.pointer import current, point_to
from tasks.verdicts.names import QUARANTINE
from tests.builders import MISSION, make_group
from tests.demo import Demo
from tests.judging import RuleJudge, drawn_groups, publish_drawn, shown

LABEL_WORDS = ("审核通过", "审核不通过", "待审核", "label", "标签为", "folder", "QC-")
GOOD, CROOKED = "BBU设备/品牌:华为×2，挡风板/安装规范×1", "BBU设备/品牌:华为×2，挡风板/安装不规范×1"
SINGLE, NOTHING = "BBU设备/品牌:中兴×1，光模块×2", "无关图片"

Judging = Callable[..., dict[str, Any]]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> RuleJudge:
    """The engine of every run of a test."""
    judge = RuleJudge()
    monkeypatch.setattr("tasks.work.task.open_engine", lambda spec: judge)
    return judge


@pytest.fixture
def judged(demo: Demo, engine: RuleJudge, tmp_path: Path) -> Judging:
    """Publish groups and judge them; the summary of Stage-B's run."""

    def run(groups: Sequence[tuple[Group, list[str]]], store: str = "store", **judge: Any) -> dict[str, Any]:
        published = publish_drawn(LocalStore(tmp_path / store), groups)
        told = {"uncalibrated": "allow", **judge}
        summary: dict[str, Any] = stage_b(
            manifest=published.uri, model={"base": demo.checkpoint}, device="cpu", judge=told
        )
        root, key = split_manifest_uri(summary["judgement"])
        check_any(LocalStore(root), key, summary["judgement_sha256"])
        return summary

    return run


def files_of(summary: dict[str, Any]) -> dict[str, bytes]:
    """The files of a judgement, by name."""
    return {path.name: path.read_bytes() for path in Path(summary["judgement"]).parent.iterdir()}


def lines_of(summary: dict[str, Any], name: str = "selections.jsonl") -> list[dict[str, Any]]:
    """The lines of one of them."""
    return [json.loads(line) for line in files_of(summary)[name].splitlines()]


def group(number: int, *texts: str, **told: Any) -> tuple[Group, list[str]]:
    """A group with these summaries."""
    contents = told.pop("contents", None) or [f"{number} {index}" for index in range(len(texts))]
    return make_group(f"QC-{number:04d}", label=told.pop("label", None), contents=contents, **told), list(texts)


def test_every_ticket_has_a_decision_with_its_reason_and_the_photos_that_bear_it_out(judged: Judging) -> None:
    summary = judged([group(1, GOOD, SINGLE), group(2, SINGLE, CROOKED, GOOD), group(3, CROOKED)])
    first, second, third = lines_of(summary)
    assert [one["decision"] for one in (first, second, third)] == ["通过", "不通过", "不通过"]
    assert summary["decisions"] == {"通过": 1, "不通过": 2, "人工复核": 0}
    # Photos are numbered by sha256 in the prompt, and by the ticket's own keys in the selection.
    assert second["clauses"] == [
        {
            "text": "挡风板安装不规范",
            "cites": ["image_2"],
            "entries": ["挡风板/安装不规范×1"],
            "check": "ok",
        }
    ]
    assert second["reason"] == "挡风板安装不规范（image_2）"
    assert second["checks"]["removal"]["holds"]
    assert len(second["checks"]["order"]["p_pass"]) == 3
    assert (third["sole_photo"], third["checks"]) == (True, {"order": None, "removal": None})
    assert first["votes"] == {"passed": 7, "failed": 0, "none": 0}
    assert first["critic"]["format_ok"]
    assert first["facts"]["verdict"] == "通过"


def test_the_same_run_again_asks_nothing_and_changes_nothing(judged: Judging, engine: RuleJudge) -> None:
    groups = drawn_groups(12)
    first = judged(groups)
    asked, before = len(engine.asked), files_of(first)
    again = judged(groups)
    assert (again["fresh"], again["asked"], len(engine.asked)) == (False, 0, asked)
    changed = {name for name, data in files_of(again).items() if data != before[name]}
    assert changed <= {"metrics.json", "report.html"}  # they say what this run cost


def test_labels_as_they_are_the_other_way_round_and_none_are_the_same_judgement(judged: Judging) -> None:
    """On 200 groups: no byte of what judges depends on a label."""
    found = []
    for name, labels in {
        "as they are": (Label.PASS, Label.FAIL),
        "round": (Label.FAIL, Label.PASS),
        "none": (None, None),
    }.items():
        groups = drawn_groups(200, label=lambda number, labels=labels: labels[number % 2])  # type: ignore[misc]
        summary = judged(groups, store=name)
        files = files_of(summary)
        found.append((summary["judgement_sha256"], {one: files[one] for one in files if one.endswith(".jsonl")}))
    assert found[0] == found[1] == found[2]
    assert len(found[0][1]["selections.jsonl"].splitlines()) == 200


def test_labels_measure_the_verdicts_and_a_file_that_is_brought_counts_for_more(
    judged: Judging, demo: Demo, tmp_path: Path
) -> None:
    groups = [
        group(1, GOOD, SINGLE, label=Label.PASS),
        group(2, CROOKED, SINGLE, label=Label.PASS),
        group(3, CROOKED, GOOD),
    ]
    summary = judged(groups)
    assert (summary["accuracy"]["count"], summary["accuracy"]["of"]) == (1, 2)
    assert summary["review"]["value"] == 0.0
    brought = tmp_path / "labels.jsonl"
    right = [TicketLabel(ticket_id=f"QC-000{n}#1", label=Verdict.FAIL, source="import") for n in (2, 3)]
    brought.write_bytes(b"".join(map(to_line, right)))
    before = files_of(summary)
    again = stage_b(
        manifest=summary["source"],
        labels=str(brought),
        model={"base": demo.checkpoint},
        device="cpu",
        judge={"uncalibrated": "allow"},
    )
    assert (again["accuracy"]["count"], again["accuracy"]["of"]) == (3, 3)
    after = files_of(again)
    assert {name for name in before if before[name] != after[name]} == {"metrics.json", "report.html"}
    unlabelled = judged([group(5, GOOD), group(6, CROOKED)], store="other")
    assert "accuracy" not in unlabelled
    assert json.loads(files_of(unlabelled)["metrics.json"])["truth"]["accuracy_decided"]["value"] is None


def test_no_prompt_holds_a_word_of_a_label_a_name_or_an_id(judged: Judging, engine: RuleJudge) -> None:
    judged(drawn_groups(40, label=lambda number: (Label.PASS, Label.FAIL)[number % 2]))
    assert len(engine.asked) > 40 * 7
    for request in engine.asked:
        for word in (*LABEL_WORDS, "img1.jpg"):
            assert word not in request.system + request.user


def test_garbage_for_a_tenth_of_the_groups_ends_well_and_loses_none(judged: Judging, engine: RuleJudge) -> None:
    groups = drawn_groups(60)
    spoilt = {int(one[0].group_id[3:]) for one in groups if int(one[0].group_id[3:]) % 10 == 0}
    marks = {f"{text} " for number in spoilt for text in groups[number][1]}
    assert marks

    def says(request: Request) -> str | None:
        texts = sorted(shown(request.user).values())
        return "随便 {" if texts in [sorted(groups[number][1]) for number in spoilt] else None

    engine.says = says
    selections = lines_of(judged(groups))
    assert [one["group_id"] for one in selections] == [one[0].group_id for one in groups]
    for number in spoilt:
        if set(groups[number][1]) != {NOTHING}:
            assert selections[number]["decision"] == "人工复核"
            assert selections[number]["review_reasons"][0] == "no_candidate_parses"
            assert selections[number]["votes"]["none"] == 7


def test_sixty_photos_are_folded_and_none_is_lost(judged: Judging, engine: RuleJudge) -> None:
    texts = [NOTHING] * 20 + [SINGLE] * 39 + [CROOKED]
    (selection,) = lines_of(judged([group(1, *texts)]))
    assert selection["decision"] == "不通过"
    assert selection["clauses"][0]["cites"] == ["image_60"]
    (prompt,) = {one.user for one in engine.asked if one.sampled_as}
    assert sum(line.startswith("image_") for line in prompt.splitlines()) == 3
    assert len(shown(prompt)) == 60


def test_a_group_of_which_no_photo_shows_anything_is_not_asked_about(judged: Judging, engine: RuleJudge) -> None:
    (selection,) = lines_of(judged([group(1, NOTHING, NOTHING)]))
    assert selection["decision"] == "人工复核"
    assert "all_irrelevant" in selection["review_reasons"]
    assert selection["asked"] == 0
    assert engine.asked == []


def test_a_resubmission_with_the_same_photos_is_judged_once_and_is_two_tickets(
    judged: Judging, engine: RuleJudge
) -> None:
    one = group(1, GOOD, SINGLE, contents=["a", "b"], label=Label.PASS)
    other = group(1, GOOD, SINGLE, contents=["a", "b"], label=Label.FAIL)
    summary = judged([one, other])
    first, second = lines_of(summary)
    assert (first["ticket_id"], second["ticket_id"]) == ("QC-0001#1", "QC-0001#2")
    assert {**first, "ticket_id": ""} == {**second, "ticket_id": ""}
    assert summary["candidates"] == 7
    assert sum(bool(request.sampled_as) for request in engine.asked) == 7


def test_the_order_of_names_changes_only_how_photos_are_called(judged: Judging, engine: RuleJudge) -> None:
    texts, contents = [GOOD, SINGLE, CROOKED], ["a", "b", "c"]
    first = judged([group(1, *texts, contents=contents)], store="one")
    asked = {(one.sampled_as, one.system, one.user) for one in engine.asked}
    engine.asked.clear()
    second = judged([group(1, *texts[::-1], contents=contents[::-1])], store="two")
    assert {(one.sampled_as, one.system, one.user) for one in engine.asked} == asked
    (one,), (two,) = lines_of(first), lines_of(second)
    assert (one["clauses"][0]["cites"], two["clauses"][0]["cites"]) == (["image_3"], ["image_1"])
    assert (one["score"], one["evidence_digest"]) == (two["score"], two["evidence_digest"])


def test_a_group_without_its_marker_waits_for_a_person_unless_told_otherwise(judged: Judging) -> None:
    groups = [group(1, GOOD, SINGLE, marked=False)]
    (selection,) = lines_of(judged(groups))
    assert selection["review_reasons"] == ["incomplete_group"]
    (selection,) = lines_of(judged(groups, incomplete="ignore"))
    assert selection["decision"] == "通过"


def test_without_a_certificate_everything_is_for_a_person(judged: Judging) -> None:
    selections = lines_of(judged([group(1, GOOD), group(2, CROOKED)], uncalibrated="review"))
    assert [one["review_reasons"] for one in selections] == [["uncalibrated"]] * 2
    assert [one["proposed"] for one in selections] == ["通过", "不通过"]


def test_photos_under_another_work_order_too_are_for_a_person(judged: Judging) -> None:
    selections = lines_of(judged([group(1, GOOD, contents=["same"]), group(2, GOOD, contents=["same"])]))
    assert [one["review_reasons"] for one in selections] == [["recycled_photo"]] * 2


def test_rules_that_are_given_stand_in_the_prompt_and_are_another_judge(judged: Judging, engine: RuleJudge) -> None:
    first = judged([group(1, GOOD)])
    second = judged([group(1, GOOD)], rules=("至少有一台BBU设备", "标签无法识别时不通过"))
    assert "[G1] 标签无法识别时不通过\n" in engine.asked[-1].user
    assert first["judgement"] != second["judgement"]
    assert lines_of(first)[0]["judge_key"] != lines_of(second)[0]["judge_key"]
    noise = {one.sampled_as: one.user for one in engine.asked if one.sampled_as}
    assert len(noise) == 7  # the same noise under both prompts: the two can be compared


def test_a_verdict_that_the_cited_photos_do_not_decide_is_for_a_person(judged: Judging, engine: RuleJudge) -> None:
    """It names one of two crooked baffles: without that photo it stands all the same."""
    engine.says = lambda request: (
        None
        if "候选判定" in request.user
        else f"Verdict: 不通过\nReason: 挡风板安装不规范（{first_crooked(request.user)}）\nConfidence: 0.90"
    )
    (selection,) = lines_of(judged([group(1, CROOKED, CROOKED + "，光模块×1", SINGLE)]))
    assert "reason_not_decisive" in selection["review_reasons"]


class Unscored(RuleJudge):
    """A judge that gives no scores: it raises, or fails for each question."""

    raises = True

    def generate(self, requests: Iterable[Request]) -> Results:
        """One result a request."""
        for request in requests:
            if not request.continuations:
                yield from super().generate([request])
            elif self.raises:
                raise NoScores("table gives no log-probabilities")
            else:
                yield Failure(request.id, PhotoError(Reason.NO_SCORES, "not among the likeliest"))


@pytest.mark.parametrize("raises", [True, False])
@pytest.mark.parametrize("devices", [(), ("cpu:0", "cpu:1")])
def test_an_engine_without_scores_judges_by_votes_and_says_so_once(
    raises: bool,
    devices: tuple[str, ...],
    demo: Demo,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    judge = Unscored()
    judge.raises = raises
    monkeypatch.setattr("tasks.work.task.open_engine", lambda spec: judge)
    published = publish_drawn(LocalStore(tmp_path), [group(1, GOOD, SINGLE), group(2, SINGLE, CROOKED)])
    monkeypatch.setattr(StageBConfig, "fleet", property(lambda config: devices or ("cpu",)))
    told = {"model": {"base": demo.checkpoint}, "device": "cpu", "judge": {"uncalibrated": "allow"}, "shard_photos": 2}
    summary = stage_b(manifest=published.uri, **told)
    manifest = json.loads(Path(summary["judgement"]).read_text(encoding="utf-8"))
    assert manifest["judge"]["scoring"] == "votes"
    assert [(one["decision"], one["score"], one["p_pass"]) for one in lines_of(summary)] == [
        ("通过", 1.0, None),
        ("不通过", 1.0, None),
    ]
    ours = [record for record in caplog.records if record.name.startswith(("prefect.flow_runs", "prefect.task_runs"))]
    warnings = [record.getMessage() for record in ours if record.levelno >= logging.WARNING]
    assert len(warnings) == 1, warnings
    assert warnings[0].startswith("scores are shares of the votes, for the engine gives no others: ")
    # What a server's operator may have changed is asked for again, and nothing else is.
    assert stage_b(manifest=published.uri, **told)["fresh"] is False


def test_a_group_that_stage_a_quarantined_is_shown_beside_the_verdicts(
    demo: Demo, engine: RuleJudge, tmp_path: Path, prefect_harness: str, caplog: pytest.LogCaptureFixture
) -> None:
    published = publish_drawn(LocalStore(tmp_path), [group(1, GOOD, SINGLE)], unreadable=[make_group("QC-0002", 1)])
    state = stage_b(
        manifest=published.uri,
        model={"base": demo.checkpoint},
        device="cpu",
        judge={"uncalibrated": "allow"},
        return_state=True,
    )
    summary = state.result()
    assert (summary["tickets"], summary["unjudged"]) == (1, 1)
    assert lines_of(summary, "unjudged.jsonl") == [{"group_id": "QC-0002", "reason": "photo_rejected"}]
    assert "something is not shown" not in caplog.text
    told = QUARANTINE[Reason.PHOTO_REJECTED]
    page = files_of(summary)["report.html"].decode()
    assert re.search(rf'data-id="QC-0002"((?!</article>).)*{told}', page, re.DOTALL)
    with get_client(sync_client=True) as client:
        this_run = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
        shown_there = {one.key: str(one.data) for one in client.read_artifacts(flow_run_filter=this_run)}
    assert rf"| QC\-0002 | {told} `photo_rejected` |" in shown_there["stage-b-air-baffle"]


def test_the_newest_run_is_judged_where_latest_is_said(demo: Demo, engine: RuleJudge, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    published = publish_drawn(store, [group(1, GOOD, SINGLE)])
    point_to(store, published, None)
    newer = publish_drawn(store, [group(1, GOOD, SINGLE), group(2, CROOKED)])
    latest = str(tmp_path / "store" / latest_key(MISSION))
    assert stage_b(manifest=latest, judge={"enabled": False})["source"] == published.uri
    point_to(store, newer, current(store, MISSION))
    summary = stage_b(manifest=latest, model={"base": demo.checkpoint}, device="cpu")
    assert (summary["source"], summary["tickets"]) == (newer.uri, 2)
    assert f"/stage_b/{MISSION}/runs/" in summary["judgement"]


def first_crooked(user: str) -> str:
    """The first photo in a prompt whose baffle is crooked."""
    return next(name for name, text in shown(user).items() if "安装不规范" in text)


def test_a_partial_group_waits_for_a_person(judged: Judging, tmp_path: Path) -> None:
    ticket, texts = group(1, GOOD, SINGLE)
    summary = judged([(replace(ticket, marked=False), texts)])
    assert summary["unjudged"] == 0
    assert MISSION in summary["judgement"]


def test_no_changed_byte_of_a_judgement_is_overlooked(judged: Judging) -> None:
    summary = judged([group(1, GOOD, SINGLE), group(2, CROOKED, SINGLE), group(3, NOTHING)])
    root, key = split_manifest_uri(summary["judgement"])
    store = LocalStore(root)
    names = ("tickets", "trajectories", "selections", "unjudged", "guidance", "manifest")
    for path in sorted(Path(summary["judgement"]).parent.iterdir()):
        good = path.read_bytes()
        if path.stem not in names or not good:
            continue
        for offset in range(0, len(good), max(1, len(good) // 60)):
            path.write_bytes(good[:offset] + bytes([good[offset] ^ 1]) + good[offset + 1 :])
            with pytest.raises(FieldcheckError) as caught:
                check_any(store, key)
            assert path.name in str(caught.value)
        path.write_bytes(good)
    checked = check_any(store, key, summary["judgement_sha256"])
    assert (checked.stage, checked.objects) == ("stage_b", 7)


def test_a_manifest_that_contradicts_its_files_is_refused(judged: Judging) -> None:
    """Though it is sealed anew: a decision without its reason, another judge, a count."""
    summary = judged([group(1, GOOD, SINGLE, marked=False)])
    root, key = split_manifest_uri(summary["judgement"])
    store = LocalStore(root)
    manifest = JudgementManifest.model_validate_json(store.read(key))
    for change in ({"judge": {}}, {"audit_seed": 5}, {"tickets": 2}, {"decisions": {**manifest.decisions, "通过": 1}}):
        store.write(key, to_line(sealed(manifest.model_copy(update=change))))
        with pytest.raises(ManifestError):
            check_any(store, key)
