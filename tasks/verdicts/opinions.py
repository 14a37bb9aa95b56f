"""Second opinions as a kind of question: evidence and the winning candidate in, the critic's line of JSON out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from configs.stage_b import StageBConfig
from tasks.checkpoints.resolve import Checkpoint
from tasks.engines.protocol import Decoding, FinishReason
from tasks.records.reasons import Reason
from tasks.records.work import Identity, Text, WorkItem
from tasks.runs.keys import stage_b_folder
from tasks.verdicts.critic import candidate_text
from tasks.verdicts.evidence import Evidence
from tasks.verdicts.kind import guidance_for, identity_of
from tasks.verdicts.prompts import judge_prompt
from tasks.work.kind import Kind


@dataclass(frozen=True)
class Opinions(Kind):
    """What the critic says of one mission's winners. An answer that cannot be read is data, and is not asked again."""

    name = "opinions"
    noun = "opinion"
    broken = Reason.SUMMARY_INVALID

    def judge(self, text: str, finish_reason: FinishReason, attempts: int) -> dict[str, Any]:
        """Every answer is kept as it is."""
        return {"violations": (), "reason": None, "detail": None}


def opinions_of(config: StageBConfig, checkpoint: Checkpoint) -> Opinions:
    """The questions of a run that judges."""
    most = config.judge.critic_max_new_tokens
    prompt = judge_prompt("critic", config.mission, guidance_for(config))
    return Opinions(
        folder=stage_b_folder(config.mission),
        photos_under="",
        prompt=prompt,
        identity=identity_of(config, checkpoint, prompt, "critic", max_new_tokens=most),
        decodings=(Decoding(most),),
    )


def opinion_item(identity: Identity, evidence: Evidence, answer: str) -> WorkItem:
    """What the critic is asked about one winner, whose three lines are `answer`."""
    text = Text(f"{evidence.digest[:16]}/critic", evidence.text() + candidate_text(answer))
    return WorkItem(identity.work_key(text.sha256), text)


def opinion_items(identity: Identity, winners: Iterable[tuple[Evidence, str]]) -> Iterator[WorkItem]:
    """What the critic is asked about each winner."""
    for evidence, answer in winners:
        yield opinion_item(identity, evidence, answer)
