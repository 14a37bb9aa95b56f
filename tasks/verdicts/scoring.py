"""Scores as a kind of question: evidence in, how likely each of the two verdict lines is out.

The photos are shown in several orders, and without those that a reason names: nothing is written, so it costs little.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field

from configs.stage_b import StageBConfig
from tasks.checkpoints.resolve import Checkpoint
from tasks.engines.protocol import Completion, Decoding, FinishReason, Request, Scores
from tasks.records.errors import EngineError
from tasks.records.outcomes import Answered
from tasks.records.reasons import Reason
from tasks.records.work import Identity, Text, WorkItem
from tasks.runs.keys import stage_b_folder
from tasks.verdicts.evidence import Evidence
from tasks.verdicts.kind import guidance_for, identity_of
from tasks.verdicts.prompts import VERDICT_LINES, judge_prompt
from tasks.work.kind import Kind


class Scored(Answered):
    """How likely the verdict lines are: the sums of their tokens' natural log-probabilities, 通过 first. `text` is
    empty."""

    log_probs: tuple[float, ...] = Field(min_length=2, max_length=2)


@dataclass(frozen=True)
class VerdictScores(Kind):
    """The scores of one mission's tickets."""

    name = "verdict-scores"
    noun = "score"
    broken = Reason.NO_SCORES
    record = Scored

    def request(self, item: WorkItem, asked: int, read: Callable[[], bytes] | None) -> Request:
        """The same question as a candidate's, with the two answers given."""
        return replace(super().request(item, asked, read), continuations=VERDICT_LINES)

    def outcome(self, item: WorkItem, result: Completion | Scores, engine: str, attempts: int) -> Answered:
        """The record of the scores. Raises EngineError for a text."""
        if not isinstance(result, Scores):
            raise EngineError(f"engine {engine} wrote a text for {item.about.key} and was asked for scores")
        return Scored(
            work_key=item.work_key,
            sha256=item.about.sha256,
            text="",
            finish_reason="stop",
            prompt_tokens=result.prompt_tokens,
            visual_tokens=0,
            completion_tokens=sum(result.tokens),
            width=0,
            height=0,
            shown_width=0,
            shown_height=0,
            scaled_by=None,
            engine=engine,
            attempts=attempts,
            log_probs=result.log_probs,
        )

    def judge(self, text: str, finish_reason: FinishReason, attempts: int) -> dict[str, Any]:
        """Scores break no rule."""
        return {"violations": (), "reason": None, "detail": None}


def scores_of(config: StageBConfig, checkpoint: Checkpoint) -> VerdictScores:
    """The questions of a run that judges."""
    prompt = judge_prompt("verdict", config.mission, guidance_for(config))
    return VerdictScores(
        folder=stage_b_folder(config.mission),
        photos_under="",
        prompt=prompt,
        identity=identity_of(config, checkpoint, prompt, "verdict scores", lines=list(VERDICT_LINES)),
        decodings=(Decoding(1),),
    )


def score_item(identity: Identity, evidence: Evidence, places: tuple[int, ...]) -> WorkItem:
    """The score of a ticket's evidence with these photos in this order."""
    text = Text(f"{evidence.digest[:16]}/{','.join(map(str, places))}", evidence.text(places))
    return WorkItem(identity.work_key(text.sha256), text)
