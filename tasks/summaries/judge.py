"""Judge an answer by the grammar: when it comes, and again when a later run takes it over. Knows no engine, no store.

The grammar becomes stricter from release to release, and a work key does not tell by which release its text was judged.
So what earlier runs know is judged by the grammar of today before it counts:

    accepted, still accepted                    taken over as it is
    accepted, refused now, rungs are left       goes on at the next rung of the retry ladder, as it would have done
    accepted, refused now, no rung is left      taken over as refused: quarantined, and not asked any more
    refused                                     taken over as refused; what it breaks is told by today's names

No answer that is there is asked for again, and the run's bytes are those of a run that knew nothing.
"""

from __future__ import annotations

from typing import Any, Literal

from configs.parts import LadderConfig
from tasks.records.outcomes import Judge, Outcome, Unfinished
from tasks.records.reasons import Reason
from tasks.records.stage_a import Summarised
from tasks.summaries.grammar import read
from tasks.summaries.ladder import count_rungs


def judgement(text: str, finish_reason: Literal["stop", "length"], attempts: int) -> dict[str, Any]:
    """What the grammar says of the `attempts`-th answer for a photo: `violations`, `reason` and `detail`."""
    reading = read(text, cut_off=finish_reason == "length")
    if reading.summary is not None:
        return {"violations": (), "reason": None, "detail": None}
    broken = tuple(violation.value for violation in reading.violations)
    detail = f"no good summary in {attempts} attempts; the last one breaks: {', '.join(broken)}"
    return {"violations": broken, "reason": Reason.SUMMARY_INVALID, "detail": detail}


def judge_again(outcome: Outcome) -> Outcome:
    """An outcome of an earlier run by the grammar of today; the same object if it is what it was.

    What was refused stays refused: before it, an earlier answer for the photo might have been accepted.
    """
    if not isinstance(outcome, Summarised) or outcome.reason not in (None, Reason.SUMMARY_INVALID):
        return outcome
    today = judgement(outcome.text, outcome.finish_reason, outcome.attempts)
    if today["reason"] is None or today["violations"] == outcome.violations:
        return outcome
    return outcome.model_copy(update=today)


def judge_for(ladder: LadderConfig) -> Judge:
    """`judge_again` for runs with this retry ladder: what is refused and has rungs left is not finished."""
    rungs = count_rungs(ladder)

    def judge(outcome: Outcome) -> Outcome | Unfinished:
        judged = judge_again(outcome)
        if not isinstance(judged, Summarised) or judged.reason is not Reason.SUMMARY_INVALID:
            return judged
        return Unfinished(judged.work_key, judged.attempts) if judged.attempts < rungs else judged

    return judge
