"""Whether what a checkpoint reads and writes is whole: tokenizer, chat template, image processor, end of an answer.

A chat template is rendered with a chat of one photo, in bounds, as every request's is: it must place exactly one photo.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.engines.folders import trial
from tasks.engines.folders.content import (
    Said,
    chat_templates,
    end_tokens,
    image_processor,
    special_tokens,
    vocabulary,
)
from tasks.engines.folders.files import LEGACY_TEMPLATE, TEMPLATE, TEMPLATE_FOLDER, read_text
from tasks.records.errors import CheckpointError

_PHOTO = "<|image_pad|>"
_PHOTO_TOKEN = 151_655
_CHAT: list[dict[str, Any]] = [
    {"role": "system", "content": [{"type": "text", "text": "请描述照片"}]},
    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "一句话"}]},
]
_SEES = (
    ("patch_size", "patch_size", 16),
    ("merge_size", "spatial_merge_size", 2),
    ("temporal_patch_size", "temporal_patch_size", 2),
)
"""What image processor and vision tower must agree on: the processor's name, the tower's, and the tower's default."""


def word_faults(folder: Path, config: dict[str, Any]) -> Iterator[str]:
    """A line for each. Raises CheckpointError if a file cannot be read or understood."""
    words = vocabulary(folder)
    for name, there in (
        ("tokenizer.json", words),
        ("tokenizer_config.json", special_tokens(folder)),
        ("preprocessor_config.json", image_processor(folder)),
        (TEMPLATE, chat_templates(folder)),
    ):
        if not there:
            yield f"{name} is missing; copy it from the base"
    for path in (folder / TEMPLATE_FOLDER).glob("*.jinja"):
        read_text(path)  # all are loaded, and one is used
    yield from _eyes(folder, config)
    yield from _template(folder, config, words)
    if end_tokens(folder) is None:
        yield "no file names an eos_token_id, so no answer would end; copy generation_config.json from the base"


def template_in_force(folder: Path) -> tuple[str, str] | None:
    """File and text of the template that a run uses; None if there is none. Raises CheckpointError."""
    for file, text in chat_templates(folder).items():
        return file, text
    return None


def _eyes(folder: Path, config: dict[str, Any]) -> Iterator[str]:
    said, tower = image_processor(folder), config.get("vision_config") or {}
    if said is None:
        return
    for ours, theirs, default in _SEES:
        wanted = tower.get(theirs, default)
        if said.facts[ours] != wanted:
            yield f"{said.file}: {ours} is {said.facts[ours]!r}, config.json wants {wanted!r}; copy it from the base"
    if said.facts["size.shortest_edge"] > said.facts["size.longest_edge"]:
        yield f"{said.file}: size.shortest_edge is above size.longest_edge; copy it from the base"


def _template(folder: Path, config: dict[str, Any], words: Said | None) -> Iterator[str]:
    found = template_in_force(folder)
    if found is None:
        return
    file, text = found
    if file == LEGACY_TEMPLATE and (folder / TEMPLATE_FOLDER).is_dir():
        yield f"there are both {LEGACY_TEMPLATE} and {TEMPLATE_FOLDER}/, which transformers refuses; remove one"
    special = special_tokens(folder)
    if words is None:
        return
    names = {number: name for name, number in words.facts["tokens"].items()}
    photo = str(names.get(config.get("image_token_id", _PHOTO_TOKEN), _PHOTO))
    facts = special.facts if special else {}
    tokens = {name: text for name, text in facts.items() if name.endswith("_token") and isinstance(text, str)}
    try:
        prompt = trial.render(text, _CHAT, tokens)
    except CheckpointError as error:
        yield f"{file}: the chat template {error}; use the chat template of the base"
        return
    if prompt.count(photo) != 1:
        yield (
            f"{file}: the chat template places {prompt.count(photo)} photos in a chat with one; "
            "use the chat template of the base"
        )
