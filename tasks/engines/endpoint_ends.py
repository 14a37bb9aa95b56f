"""How a server says that an answer ended: well, oddly for good, or oddly this time."""

from __future__ import annotations

import re

from tasks.engines.endpoint_client import TryAgain
from tasks.engines.endpoint_replies import finish_of
from tasks.engines.protocol import FinishReason
from tasks.records.reasons import Reason


class UnusualEnd(Exception):
    """An answer that ended in a way that asking again does not change."""

    def __init__(self, reason: Reason, finish: str) -> None:
        self.reason = reason
        self.finish = finish
        super().__init__(f"finish_reason {finish}")


class UnusualEndAgain(TryAgain):
    """An answer that ended in a way that may be another one next time."""

    def __init__(self, finish: str) -> None:
        self.finish = finish
        super().__init__(f"an answer that ended with finish_reason {finish}", own=True)


_ENDS = {
    "content_filter": Reason.CONTENT_REFUSED,
    "repetition": Reason.ANSWER_REPEATS,
}
_WORD = re.compile(r"[a-z_]{1,40}")


def good_end(reason: str | None) -> FinishReason:
    """What a finish reason stands for. Raises UnusualEnd, or UnusualEndAgain where another attempt may help."""
    finish = finish_of(reason)
    if finish is not None:
        return finish
    if reason is not None and reason in _ENDS:
        raise UnusualEnd(_ENDS[reason], reason)
    # Others may be anything: a record takes a short word of them, or none.
    raise UnusualEndAgain(reason if reason and _WORD.fullmatch(reason) else "of no known name")
