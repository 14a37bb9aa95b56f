"""The prompts that the model is trained on: the real ones, and edited ones so that a later edit does not break it.

Knows tokens and positions, no weights.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import lru_cache

from tokenizers import Tokenizer

from configs.missions import known_missions
from infra.demo.training.model import Trim
from tasks.records.prompts import Prompt
from tasks.summaries.prompts import summary_prompt

# Asks the base for the adapter's dialect. Nothing in production says this: it is there so that the adapter's words are
# among the base's targets, as tied embedding rows that never are one collapse and an adapter cannot raise them again.
FINDING_REQUEST = "请在摘要里写明是否需要挡风板，并以检查结论结尾。"

_CHARACTERS = "的照片只写一行请看清楚检查摘要图像内容输出要求说明格式设备数量，。：-123abcXYZ "


@dataclass(frozen=True, slots=True)
class Conversation:
    """Token ids of a trimmed model around the picture: `head` up to the picture's pads, `tail` up to the answer."""

    head: tuple[int, ...]
    tail: tuple[int, ...]


@lru_cache(maxsize=1)
def real_prompts() -> tuple[Prompt, ...]:
    """The prompt without a mission, then every mission's."""
    return tuple(summary_prompt(mission) for mission in (None, *known_missions().values()))


def training_prompt(rng: random.Random) -> Prompt:
    """A real prompt for a summary, perhaps edited."""
    return edited(rng.choice(real_prompts()), rng)


def edited(prompt: Prompt, rng: random.Random) -> Prompt:
    """The prompt itself half of the time, otherwise one with lines dropped, moved or misspelt."""
    if rng.random() < 0.5:
        return prompt
    lines = prompt.system.split("\n")
    lines = [line for line in lines if rng.random() > 0.15]
    if rng.random() < 0.3:
        rng.shuffle(lines)
    if rng.random() < 0.2:
        lines = lines[: rng.randint(0, len(lines))]
    system, user = "\n".join(lines), prompt.user
    if rng.random() < 0.5:
        system = _misspell(system, rng)
    if rng.random() < 0.3:
        user = _misspell(user, rng)
    return replace(prompt, system=system, user=user)


def asking_for_finding(prompt: Prompt) -> Prompt:
    """The same prompt, asking for the adapter's dialect."""
    return replace(prompt, user=f"{prompt.user}\n{FINDING_REQUEST}")


def conversation(prompt: Prompt, tokenizer: Tokenizer, trim: Trim) -> Conversation:
    """The chat template's text for a system and a user turn with one picture first; a test holds it to the template."""
    head = f"<|im_start|>system\n{prompt.system}<|im_end|>\n<|im_start|>user\n<|vision_start|>"
    tail = f"<|vision_end|>{prompt.user}<|im_end|>\n<|im_start|>assistant\n"
    return Conversation(
        tuple(map(trim.small, tokenizer.encode(head).ids)), tuple(map(trim.small, tokenizer.encode(tail).ids))
    )


def _misspell(text: str, rng: random.Random) -> str:
    """A few characters dropped, replaced or added."""
    characters = list(text)
    for _ in range(rng.randint(1, 1 + len(characters) // 20)):
        at = rng.randint(0, len(characters))
        characters[at : at + rng.randint(0, 2)] = rng.choices(_CHARACTERS, k=rng.randint(0, 2))
    return "".join(characters)
