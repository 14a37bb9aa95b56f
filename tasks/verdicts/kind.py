"""Candidates as a kind of question: a ticket's evidence in, one sampled answer of three lines out.

A ticket with seven candidates is seven work items; tickets with the same evidence have the same ones. Nothing is asked
again because it breaks the form: what a candidate is, is data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from configs.judge import JudgeConfig
from configs.missions import known_missions
from configs.stage_b import StageBConfig
from tasks.checkpoints.resolve import Checkpoint
from tasks.checkpoints.spec import text_settings
from tasks.engines.protocol import Decoding, FinishReason
from tasks.records.guidance import Guidance, guidance_of, seed_guidance
from tasks.records.jsonl import canonical
from tasks.records.prompts import Prompt
from tasks.records.reasons import Reason
from tasks.records.work import Identity, Text, WorkItem
from tasks.runs.keys import stage_b_folder
from tasks.verdicts.answers import read
from tasks.verdicts.evidence import Evidence
from tasks.verdicts.prompts import judge_prompt
from tasks.work.kind import Kind


@dataclass(frozen=True)
class Candidates(Kind):
    """The candidates of one mission's tickets. `decodings` are the cells of the grid and no ladder."""

    name = "candidates"
    noun = "candidate"
    broken = Reason.SUMMARY_INVALID

    @property
    def rungs(self) -> int:
        """A candidate is asked for once."""
        return 1

    def judge(self, text: str, finish_reason: FinishReason, attempts: int) -> dict[str, Any]:
        """Which rules of the answer's grammar it breaks; it is kept all the same."""
        broken = tuple(one.value for one in read(text, cut_off=finish_reason == "length").violations)
        return {"violations": broken, "reason": None, "detail": None}


def guidance_for(config: StageBConfig) -> Guidance:
    """The rules to judge by: those that were given, else what the mission requires."""
    if config.judge.rules:
        return guidance_of(config.judge.rules)
    mission = known_missions().get(config.mission)
    return seed_guidance(mission.requires if mission else (config.mission,))


def identity_of(
    config: StageBConfig, checkpoint: Checkpoint, prompt: Prompt, question: str, **settings: object
) -> Identity:
    """What decides an answer beside the evidence: checkpoint, prompt and guidance, engine, dtype, and `settings`."""
    texts = text_settings(config.model, config.engine, checkpoint.dtype, photos=False)
    told = {"question": question, **texts, **settings}
    return Identity(prompt.digest, checkpoint.fingerprint, checkpoint.adapter_fingerprints, told)


def candidates_of(config: StageBConfig, checkpoint: Checkpoint) -> Candidates:
    """The questions of a run that judges."""
    judge = config.judge
    prompt = judge_prompt("verdict", config.mission, guidance_for(config))
    settings = {"max_new_tokens": judge.max_new_tokens, "stop": list(judge.stop), "seed": judge.seed}
    return Candidates(
        folder=stage_b_folder(config.mission),
        photos_under="",
        prompt=prompt,
        identity=identity_of(config, checkpoint, prompt, "verdict", **settings),
        decodings=tuple(
            Decoding(judge.max_new_tokens, cell.temperature, cell.top_p, judge.seed, judge.stop) for cell in judge.grid
        ),
    )


def candidate_items(judge: JudgeConfig, identity: Identity, evidence: Iterable[Evidence]) -> Iterator[WorkItem]:
    """The candidates of each ticket's evidence, one after another: what they share is read once."""
    for one in evidence:
        text = one.text()
        for cell, how in enumerate(judge.grid):
            for sample in range(how.samples):
                name = f"{one.digest[:16]}/{cell}/{sample}"
                told = canonical([one.digest, cell, how.temperature, how.top_p, sample])
                key = identity.work_key(hashlib.sha256(told.encode()).hexdigest())
                yield WorkItem(key, Text(name, text, name, cell))
