"""Summaries as a kind of question: one photo in, one line that obeys the grammar out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from configs.missions import known_missions
from configs.stage_a import StageAConfig
from tasks.checkpoints.resolve import Checkpoint
from tasks.checkpoints.spec import text_settings
from tasks.engines.protocol import FinishReason
from tasks.ledger.groups import Groups, State
from tasks.records.grammar import GRAMMAR_REVISION, GRAMMAR_VERSION, read
from tasks.records.prompts import Prompt
from tasks.records.reasons import Reason
from tasks.records.work import Identity, WorkItem
from tasks.runs.keys import stage_a_folder
from tasks.summaries.ladder import decodings
from tasks.summaries.prompts import summary_prompt
from tasks.work.kind import Kind


@dataclass(frozen=True)
class Summaries(Kind):
    """The summaries of one mission."""

    name = "summaries"
    broken = Reason.SUMMARY_INVALID
    revision = GRAMMAR_REVISION

    def judge(self, text: str, finish_reason: FinishReason, attempts: int) -> dict[str, Any]:
        """What the grammar says of an answer."""
        reading = read(text, cut_off=finish_reason == "length")
        if reading.summary is not None:
            return {"violations": (), "reason": None, "detail": None}
        broken = tuple(violation.value for violation in reading.violations)
        detail = f"no good summary in {attempts} attempts; the last one breaks: {', '.join(broken)}"
        return {"violations": broken, "reason": self.broken, "detail": detail}


def summaries_of(config: StageAConfig, checkpoint: Checkpoint) -> Summaries:
    """The questions of a Stage-A run."""
    prompt = summary_prompt(None if config.no_mission else known_missions()[config.mission])
    return Summaries(
        folder=stage_a_folder(config.mission),
        photos_under=config.mission,
        prompt=prompt,
        identity=identity(config, prompt, checkpoint.fingerprint, checkpoint.adapter_fingerprints, checkpoint.dtype),
        decodings=decodings(config.generation, config.ladder),
    )


def identity(config: StageAConfig, prompt: Prompt, checkpoint: str, adapters: tuple[str, ...], dtype: str) -> Identity:
    """The identity of a run's summaries: the fingerprints of what was resolved, and the settings that can change a
    summary."""
    settings = {
        "grammar": GRAMMAR_VERSION,
        **text_settings(config.model, config.engine, dtype),
        "generation": config.generation.model_dump(mode="json"),
        "ladder": config.ladder.model_dump(mode="json"),
    }
    return Identity(prompt.digest, checkpoint, adapters, settings)


def work_items(groups: Groups, identity: Identity) -> Iterator[WorkItem]:
    """The photos of all accepted groups, a photo as often as it is in one."""
    for entry in groups.entries(State.ACCEPTED):
        for photo in entry.group.photos:
            yield WorkItem(identity.work_key(photo.sha256), photo)
