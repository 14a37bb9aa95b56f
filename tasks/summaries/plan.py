"""Plan the work: the identity of a run's texts, and shards of photos. Knows no engine and no store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from configs.stage_a import StageAConfig
from tasks.checkpoints.spec import text_settings
from tasks.common.batches import batches
from tasks.ledger.groups import Groups, State
from tasks.ledger.works import Works
from tasks.records.jsonl import canonical
from tasks.records.prompts import Prompt
from tasks.records.stage_a import RunManifest
from tasks.records.work import Identity, Shard, WorkItem
from tasks.summaries.grammar import GRAMMAR_REVISION, GRAMMAR_VERSION


def settings_of(config: StageAConfig, dtype: str) -> dict[str, object]:
    """The settings that can change a summary."""
    return {
        "grammar": GRAMMAR_VERSION,
        **text_settings(config.model, config.engine, dtype),
        "generation": config.generation.model_dump(mode="json"),
        "ladder": config.ladder.model_dump(mode="json"),
    }


def identity(config: StageAConfig, prompt: Prompt, checkpoint: str, adapters: tuple[str, ...], dtype: str) -> Identity:
    """The identity of a run's texts, from its configuration and the fingerprints of what was resolved."""
    return Identity(prompt.digest, checkpoint, adapters, settings_of(config, dtype))


def differences(ours: Identity, theirs: Identity | RunManifest) -> list[str]:
    """In what the texts of another process or of a published run differ from ours; empty if they would be the same."""
    pairs = {
        "prompt": (ours.prompt, theirs.prompt),
        "checkpoint": (ours.checkpoint, theirs.checkpoint),
        "adapters": (ours.adapters, theirs.adapters),
        "settings": (canonical(ours.settings), canonical(theirs.settings)),
    }
    return [name for name, (one, other) in pairs.items() if one != other]


def plan_work(groups: Groups, works: Works, identity: Identity) -> None:
    """Put the photos of all accepted groups into the ledger as work, each once however many groups it is in."""
    for entry in groups.entries(State.ACCEPTED):
        for photo in entry.group.photos:
            works.add(WorkItem(identity.work_key(photo.sha256), photo))


def plan_shards(items: Iterable[WorkItem], size: Callable[[], int], epoch: int = 0) -> Iterator[Shard]:
    """Cut work into shards, in its order. `size` is asked before each of them how many photos it may have.

    A shard's key is the sha256 of its sorted work keys (and its epoch and revision, if they are not 0): the same work
    has the same key.
    """
    for batch in batches(items, size):
        revision = GRAMMAR_REVISION if any(item.asked for item in batch) else 0
        of = ([str(epoch)] if epoch else []) + ([f"revision {revision}"] if revision else [])
        told = "\n".join([*of, *sorted(item.work_key for item in batch)])
        yield Shard(hashlib.sha256(told.encode()).hexdigest(), batch, epoch, revision)


def shard_size(config: StageAConfig, rate: float) -> int:
    """Photos in the next shard, when `rate` of them are read a second, over all devices; 0 if that is not known yet.

    As many as fill `shard_seconds`; while nothing is known, as few as make four batches.
    """
    least = min(config.shard_photos, 4 * config.engine.batch_size)
    return max(least, min(config.shard_photos, int(config.shard_seconds * rate / len(config.fleet))))
