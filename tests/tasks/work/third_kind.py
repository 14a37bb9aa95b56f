"""A third kind of question, for tests alone: what a room has to say to be one. It asks about text, without a photo."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tasks.engines.protocol import Decoding, FinishReason
from tasks.records.outcomes import Answered
from tasks.records.prompts import Prompt
from tasks.records.reasons import Reason
from tasks.records.work import Identity, Text, WorkItem
from tasks.work.kind import Kind

PROMPT = Prompt("你是质检员。", "工单如下，用一个词回答。\n")


class Judged(Answered):
    """What is kept of an answer: its length beside what every kind keeps."""

    signs: int


@dataclass(frozen=True)
class Tickets(Kind):
    """Tickets whose answer must be one line."""

    name = "tickets"
    noun = "ticket"
    broken = Reason.SUMMARY_INVALID
    record = Judged

    def judge(self, text: str, finish_reason: FinishReason, attempts: int) -> dict[str, Any]:
        """One line that the model ended itself."""
        good = finish_reason == "stop" and len(text.splitlines()) == 1
        reason, detail = (None, None) if good else (self.broken, f"not one line in {attempts} attempts")
        return {"violations": () if good else ("lines",), "reason": reason, "detail": detail, "signs": len(text)}


def tickets_of(checkpoint: str, max_new_tokens: int = 8) -> Tickets:
    """The questions of a run."""
    return Tickets(
        folder="tickets/night",
        photos_under="",
        prompt=PROMPT,
        identity=Identity(PROMPT.digest, checkpoint, (), {"max_new_tokens": max_new_tokens}),
        decodings=(Decoding(max_new_tokens), Decoding(2 * max_new_tokens)),
    )


def work_items(kind: Tickets, tickets: Iterable[str]) -> Iterator[WorkItem]:
    """One item a ticket."""
    for number, ticket in enumerate(tickets, start=1):
        text = Text(f"ticket {number}", ticket)
        yield WorkItem(kind.identity.work_key(text.sha256), text)
