"""The page of a judgement: complete, in Chinese, and nothing that a stranger wrote becomes markup."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.assurance.evaluate import evaluate
from tasks.assurance.records import Metrics, Note, Spent
from tasks.records.labels import TicketLabel
from tasks.records.reasons import Reason
from tasks.records.stage_b import Ticket, Unjudged
from tasks.records.verdicts import (
    Checks,
    CriticReading,
    Decision,
    FactsReading,
    OrderCheck,
    RemovalCheck,
    ReviewReason,
    Selection,
)
from tasks.reports import judgement
from tasks.reports.judgement import judgement_page
from tasks.reports.names import NOTES
from tasks.verdicts.evidence import evidence_of
from tasks.verdicts.names import QUARANTINE, REVIEW_REASONS
from tests.builders import MISSION, examples
from tests.tasks.assurance.made_up import (
    FAIL,
    PASS,
    make_clause,
    make_critic,
    make_label,
    make_manifest,
    make_selection,
    make_ticket,
    make_trajectory,
)
from tests.tasks.reports.reading import read

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; background: url(http://evil.example/)",
    "</style></td></table><h1>通过</h1>",
    "<!-- ",
    "]]>",
    "&lt;b&gt;",
    "javascript:alert(1)",
    "\u202e过通不\x1b[31m\x00\ud800",
]

SUMMARIES = ("BBU设备/品牌:华为×1，挡风板/安装规范×1", "BBU设备×1，安装螺丝/符合要求×3", "无关图片")


def thirty() -> tuple[list[Selection], list[Ticket], list[TicketLabel]]:
    """Thirty tickets with everything that a page can show."""
    order = random.Random(5)
    reasons = list(ReviewReason)
    selections = []
    for number in range(1, 31):
        proposed = None if number % 11 == 0 else PASS if number % 3 else FAIL
        why = order.sample(reasons, order.randint(1, 3)) if number % 4 == 0 else []
        flips = ReviewReason.ORDER_CHANGES_VERDICT in why
        removal = RemovalCheck(without=0.81, alone=0.04, holds=number % 2 == 0) if proposed is FAIL else None
        clauses = (
            make_clause(text="BBU设备品牌为华为", cites=("image_1",)),
            make_clause("wrong" if number % 7 == 0 else "ok", "安装螺丝符合要求", ("image_1", "image_2")),
            make_clause("uncited" if number % 9 == 0 else "ok", "没有接地线", ("全部",)),
        )
        facts = order.choice([PASS, FAIL, None])
        critic = make_critic(FAIL if number % 8 == 0 else proposed or PASS, readable=number % 13 > 0)
        selections.append(
            make_selection(
                number, proposed, round(1 - order.random() ** 2 / 2, 4),
                [reason for reason in reasons if reason in why],
                checks=Checks(order=OrderCheck(p_pass=(0.9, 0.8), flips=flips), removal=removal),
                clauses=clauses if proposed else (),
                critic=critic if proposed else None,
                facts=FactsReading(verdict=facts, failing=("挡风板按要求安装",) if facts is FAIL else ()),
                audit=0.05 if number % 10 == 1 else None,
                threshold=0.9 if number % 5 == 0 else None,
                reused_from="person" if number == 2 else None,
                sole_photo=number % 6 == 0,
            )
        )  # fmt: skip
    labels = [make_label(one, (PASS, FAIL)[order.random() < 0.3]) for one in selections[:26]]
    return selections, [make_ticket(one, SUMMARIES) for one in selections], labels


def metrics_of(selections: list[Selection], labels: list[TicketLabel], unjudged: list[Unjudged]) -> Metrics:
    trajectories = [
        make_trajectory(one, violations=("cut_off",) if n % 9 == 0 else ()) for n, one in enumerate(selections)
    ]
    spent = Spent(asked=180, reused=30, prompt_tokens=61_000, completion_tokens=9_000, seconds=31.4)
    return evaluate(make_manifest(selections), selections, trajectories, labels, unjudged, spent)


UNJUDGED = [
    Unjudged(group_id="QC-0091", reason=Reason.EMPTY_GROUP),
    Unjudged(group_id="QC-0092", reason=Reason.PHOTO_REJECTED),
]


def whole_page() -> str:
    """The page of thirty tickets."""
    selections, tickets, labels = thirty()
    metrics = metrics_of(selections, labels, UNJUDGED)
    return judgement_page(make_manifest(selections, 2), tickets, selections, UNJUDGED, metrics)


def test_a_page_has_every_ticket_with_its_photos_reasons_and_those_that_were_never_judged() -> None:
    selections, _, _ = thirty()
    words = read(whole_page()).words
    for one in selections:
        assert one.ticket_id in words
        assert all(REVIEW_REASONS[reason] in words for reason in one.review_reasons)
    assert "[image_1] IMG_1.jpg BBU设备/品牌:华为×1，挡风板/安装规范×1" in words
    assert "[全部]" in words
    assert "QC-0091隔离打印本单原因：工单没有照片empty_group" in words.replace(" ", "")
    assert "隔离，未判2" in words
    assert "错误通过：自动通过中实为不通过" in words
    assert "自报置信度" in words


def test_what_no_certificate_covers_is_said_to_be_uncertified() -> None:
    loose, bound = make_selection(1), make_selection(2, threshold=0.9)
    assert read(judgement_page(make_manifest([loose]), [], [loose])).words.count("未认证") == 3
    certified = make_manifest([bound]).model_copy(update={"calibration": "0" * 64})
    assert "未认证" not in read(judgement_page(certified, [], [bound])).words
    assert "未认证" in read(judgement_page(certified, [], [loose, bound])).words


def test_without_labels_or_metrics_the_page_says_unknown_or_nothing() -> None:
    selections, tickets, _ = thirty()
    bare = read(judgement_page(make_manifest(selections), tickets, selections)).words
    assert "错误通过" not in bare
    unlabelled = read(
        judgement_page(make_manifest(selections), tickets, selections, [], metrics_of(selections, [], []))
    ).words
    assert NOTES[Note.UNLABELLED][0] in unlabelled
    assert "错误通过：自动通过中实为不通过未知" in unlabelled
    assert "没有工单需要人工复核" in read(judgement_page(make_manifest([]), [], [])).words


def test_tickets_for_people_come_first_and_too_many_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judgement, "SHOWN", 2)
    selections = [make_selection(1), make_selection(2, FAIL), make_selection(3, reasons=[ReviewReason.TIE])]
    words = read(judgement_page(make_manifest(selections), [], selections)).words
    assert words.index("QC-0003#1") < words.index("QC-0002#1")
    assert "QC-0001#1" not in words
    assert "另有 1 单未列出" in words


def hostile_page(told: str) -> str:
    """A page on which this stands wherever a stranger's words can."""
    critic = CriticReading(
        format_ok=True, summary=told, critique=told, verdict=FAIL, needs_recheck=True, evidence_sufficiency=False,
        recommended_action=Decision.REVIEW,
    )  # fmt: skip
    selection = make_selection(
        ticket_id=f"{told}#1", group_id=told, reason=told, critic=critic,
        facts=FactsReading(verdict=FAIL, failing=(told,)),
        clauses=(make_clause(text=told, cites=(told, "image_1")), make_clause("wrong", told, (told,))),
    )  # fmt: skip
    bare = make_selection(2, reason=told, clauses=())
    ticket = make_ticket(make_selection(), (told, "无关图片")).model_copy(
        update={"images": (told, told), "ticket_id": selection.ticket_id}
    )
    manifest = make_manifest([selection]).model_copy(update={"mission": told, "judge": {told: told}})
    metrics = metrics_of([selection, bare], [], []).model_copy(update={"mission": told})
    judge = metrics.judge.model_copy(update={"violations": {told: 3}})
    unjudged = [Unjudged(group_id=told, reason=Reason.EMPTY_GROUP)]
    metrics = metrics.model_copy(update={"judge": judge})
    return judgement_page(manifest, [ticket], [selection, bare], unjudged, metrics)


@pytest.mark.parametrize("told", HOSTILE)
def test_no_stranger_writes_markup(told: str) -> None:
    page = hostile_page(told)
    seen = read(page)
    assert page.count("<script") == 1
    assert not any(sign in page for sign in "\u202e\x1b\x00")
    page.encode("utf-8")
    assert seen.words.count("alert(1)") == (0 if "alert" not in told else seen.words.count(told)) * told.count("alert")


@given(st.text(alphabet=st.one_of(st.characters(codec=None), st.sampled_from("<>&\"'`=/-!")), min_size=1))
@examples(80)
def test_no_text_at_all_changes_what_a_page_is_made_of(told: str) -> None:
    read(hostile_page(told)).words.encode("utf-8")


def test_a_browser_is_told_to_run_the_pages_own_script_alone() -> None:
    page = whole_page()
    assert "default-src &#39;none&#39;" in page
    assert "unsafe-inline" not in page
    assert not re.search(r"(?i)\s(action|on[a-z]+|style)=|url\(|@import|<iframe|<form|<script[^>]", page)


def test_everything_on_a_closed_list_has_a_name() -> None:
    assert set(REVIEW_REASONS) == set(ReviewReason)
    assert set(QUARANTINE) == set(Reason)
    assert set(NOTES) == set(Note)
    for names in (REVIEW_REASONS, QUARANTINE):
        assert len(set(names.values())) == len(names)


def test_the_page_speaks_english_too() -> None:
    words = read(whole_page(), english=True).words
    assert "Why people must look" in words
    assert "wrong pass: automatic passes that should fail" in words
    assert "the verdict rests on the cited photos" in words
    assert "复核原因" not in words


def test_candidates_and_critic_name_photos_as_the_ticket_does() -> None:
    selection = make_selection(proposed=FAIL, critic=make_critic(FAIL).model_copy(update={"critique": "image_1 可见"}))
    ticket = make_ticket(selection, SUMMARIES)
    seen = evidence_of(ticket).photos[0].key
    text = "Verdict: 不通过\nReason: 没有BBU（image_1）\nConfidence: 0.90"
    broken = make_trajectory(selection, 1, text="说不清", verdict=None, violations=("missing_line",))
    told = [make_trajectory(selection, text=text), broken]
    words = read(judgement_page(make_manifest([selection]), [ticket], [selection], trajectories=told)).words
    assert f"没有BBU（{seen}）" in words
    assert f"{seen} 可见" in words
    assert "2 个候选回答" in words
    assert "不能读0.90说不清missing_line" in words.replace(" ", "")
    assert "0采用" in words.replace(" ", "")


def test_the_mission_is_the_title() -> None:
    assert f"<title>{MISSION} 判定报告</title>" in whole_page()
