"""What a judge is, and what a judgement is: keys that change when anything that decides a verdict does."""

from __future__ import annotations

import hashlib

from configs.missions import Mission
from configs.stage_b import StageBConfig
from tasks.checkpoints.resolve import Checkpoint
from tasks.records.jsonl import canonical
from tasks.records.stage_a import RunManifest
from tasks.records.work import Identity
from tasks.verdicts.answers import ANSWERS_VERSION
from tasks.verdicts.critic import CRITIC_VERSION
from tasks.verdicts.kind import candidates_of, guidance_for
from tasks.verdicts.opinions import opinions_of
from tasks.verdicts.select import SELECTION_VERSION

CHECKS_VERSION = 1
"""Raise it when citations, facts or injection say something else of the same summaries."""

_SETTINGS_OF_OTHERS = ("enabled", "rules", "scoring", "audit_seed")


def judge_of(config: StageBConfig, checkpoint: Checkpoint, mission: Mission | None, scoring: str) -> dict[str, object]:
    """All that a judge key is made of, by name. `scoring` is what the scores of this run are: `logprobs`, or `votes`
    where the engine gives none."""
    candidates = candidates_of(config, checkpoint)
    settings = config.judge.model_dump(mode="json", exclude=set(_SETTINGS_OF_OTHERS))
    return {
        "checkpoint": checkpoint.fingerprint,
        "adapters": list(checkpoint.adapter_fingerprints),
        "prompt": candidates.prompt.digest,
        "guidance": guidance_for(config).digest,
        "answers": {**candidates.identity.settings},
        "critic": opinions_of(config, checkpoint).prompt.digest if config.judge.critic else None,
        "scoring": scoring,
        "settings": settings,
        "checks": [check.model_dump(mode="json") for check in mission.checks] if mission else [],
        "rules": {
            "answers": ANSWERS_VERSION,
            "critic": CRITIC_VERSION,
            "checks": CHECKS_VERSION,
            "selection": SELECTION_VERSION,
        },
    }


def judge_key(judge: dict[str, object]) -> str:
    """sha256 (64 hex digits) of what a judge is."""
    return hashlib.sha256(canonical(judge).encode()).hexdigest()


def stage_a_of(manifest: RunManifest) -> str:
    """sha256 (64 hex digits) of what makes the texts of a Stage-A run: checkpoint, adapters, prompt, settings."""
    return Identity(manifest.prompt, manifest.checkpoint, manifest.adapters, manifest.settings).digest


def judgement_id(tickets: str, judge: str, calibration: str | None, reviews: str | None, audit_seed: int) -> str:
    """16 hex digits: the same tickets by the same judge, with the same certificates and answers of people, are the same
    judgement. Digests and keys have 64 hex digits."""
    return hashlib.sha256(canonical([tickets, judge, calibration, reviews, audit_seed]).encode()).hexdigest()[:16]
