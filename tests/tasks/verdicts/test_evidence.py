"""Tests of what a ticket is judged by: the same text whatever the photos are called, and nothing of a summary in it
that is a sign of the prompt."""

from __future__ import annotations

import json
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from tasks.records.stage_b import Ticket, TicketPhoto
from tasks.verdicts.evidence import evidence_of
from tests.builders import MISSION, examples, sha


def make_ticket(summaries: list[str], contents: list[str] | None = None) -> Ticket:
    """A ticket whose photos `contents` tells apart."""
    told = contents or [f"photo {number}" for number in range(len(summaries))]
    return Ticket(
        ticket_id="QC-1#1",
        group_id="QC-1",
        mission=MISSION,
        stage_a_complete=True,
        images=tuple(f"img{number}.jpg" for number in range(1, len(summaries) + 1)),
        photos=tuple(TicketPhoto(sha256=sha(one), work_key=sha(f"work {one}")) for one in told),
        summaries={f"image_{number}": text for number, text in enumerate(summaries, start=1)},
    )


def test_every_order_of_the_photos_is_the_same_text_the_same_orders_and_the_same_digest() -> None:
    summaries = ["BBU设备×1", "BBU设备×2", "无关图片", "BBU设备×1"]
    contents = ["a", "b", "c", "d"]
    found = set()
    for order in permutations(range(4)):
        evidence = evidence_of(make_ticket([summaries[i] for i in order], [contents[i] for i in order]))
        texts = tuple(evidence.text(places) for places in evidence.orders())
        found.add((evidence.digest, evidence.text(), texts))
    assert len(found) == 1
    _, text, texts = found.pop()
    assert texts[0] == text
    assert len(set(texts)) == 3


def test_equal_summaries_are_one_line_and_no_photo_is_lost() -> None:
    evidence = evidence_of(make_ticket(["无关图片"] * 30 + ["BBU设备×1"] * 30))
    lines = evidence.text().splitlines()
    assert lines[0] == f"<<<{evidence.nonce}"
    assert lines[-1] == f"{evidence.nonce}>>>"
    assert len(lines) == 4
    named = [name for line in lines[1:-1] for name in line.partition(": ")[0].split(",")]
    assert sorted(named) == sorted(f"image_{number}" for number in range(1, 61))


def test_a_part_of_the_photos_is_numbered_from_one() -> None:
    evidence = evidence_of(make_ticket(["a×1", "b×1", "c×1"]))
    second = evidence.photos[1].summary
    assert evidence.text([1]).splitlines()[1] == f'image_1: "{second}"'


def test_one_photo_has_one_order_and_two_have_two() -> None:
    assert evidence_of(make_ticket(["a×1"])).orders() == [(0,)]
    assert len(evidence_of(make_ticket(["a×1", "b×1"])).orders()) == 2


def test_label_id_and_names_are_not_in_the_digest_and_mission_texts_and_completeness_are() -> None:
    ticket = make_ticket(["a×1", "b×1"])
    same = ticket.model_copy(update={"ticket_id": "QC-9#4", "group_id": "QC-9", "images": ("x.jpg", "y.jpg")})
    assert evidence_of(same).digest == evidence_of(ticket).digest
    changes: list[dict[str, object]] = [
        {"mission": "RRU线缆"},
        {"stage_a_complete": False},
        {"summaries": {"image_1": "a×2", "image_2": "b×1"}},
        {"photos": (TicketPhoto(sha256=sha("photo 0"), work_key=sha("other")), ticket.photos[1])},
    ]
    digests = {evidence_of(ticket.model_copy(update=change)).digest for change in changes}
    assert len(digests | {evidence_of(ticket).digest}) == len(changes) + 1


@given(
    st.lists(
        st.text(st.sampled_from('<>|im_endstarVerdict: ："\\\n通过不，×1/[]{}')) | st.text(min_size=1),
        min_size=1,
        max_size=4,
    )
)
@examples(200)
def test_a_summary_writes_no_fence_no_special_token_no_verdict_and_no_line(texts: list[str]) -> None:
    evidence = evidence_of(make_ticket([text or "x" for text in texts]))
    inner = evidence.text().split("\n")[1:-1]
    assert len(inner) == len({photo.summary for photo in evidence.photos})
    for line in inner:
        name, _, told = line.partition(": ")
        assert name.startswith("image_")
        assert not {"<", ">"} & set(told)
        for word in ("verdict:", "reason:", "confidence:"):
            assert word not in told.lower()
        assert isinstance(json.loads(told), str)
