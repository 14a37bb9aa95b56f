"""Plan the work: the identity of a run's texts, and shards of photos. Knows no engine and no store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from configs.stage_a import StageAConfig
from tasks.records.photos import Group
from tasks.records.work import Identity, Shard, WorkItem
from tasks.summaries.grammar import GRAMMAR_VERSION
from tasks.summaries.prompts import Prompt


def text_settings(config: StageAConfig, dtype: str) -> dict[str, object]:
    """The settings that can change a text. Device, batch size and workers are not among them."""
    return {
        "grammar": GRAMMAR_VERSION,
        "dtype": dtype,
        "max_pixels": config.model.max_pixels,
        "min_pixels": config.model.min_pixels,
        "max_model_len": config.model.max_model_len,
        "generation": config.generation.model_dump(mode="json"),
        "ladder": config.ladder.model_dump(mode="json"),
    }


def identity(config: StageAConfig, prompt: Prompt, checkpoint: str, adapters: tuple[str, ...], dtype: str) -> Identity:
    """The identity of a run's texts, from its configuration and the fingerprints of what was resolved."""
    return Identity(prompt.digest, checkpoint, adapters, text_settings(config, dtype))


def plan_shards(groups: Iterable[Group], identity: Identity, photos_per_shard: int) -> Iterator[Shard]:
    """Cut the photos of all groups into shards, each photo once however many groups it is in.

    Photos keep the order of the groups. A shard's key is the sha256 of its sorted work keys: the same work has the same
    key, so that a shard that is in the store already need not be done again.
    """
    items: list[WorkItem] = []
    seen: set[str] = set()
    for group in groups:
        for photo in group.photos:
            key = identity.work_key(photo.sha256)
            if key in seen:
                continue
            seen.add(key)
            items.append(WorkItem(key, photo))
            if len(items) == photos_per_shard:
                yield _shard(items)
                items = []
    if items:
        yield _shard(items)


def _shard(items: list[WorkItem]) -> Shard:
    digest = hashlib.sha256("\n".join(sorted(item.work_key for item in items)).encode())
    return Shard(digest.hexdigest(), tuple(items))
