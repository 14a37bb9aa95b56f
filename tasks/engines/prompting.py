"""Token ids of a chat, with one photo or none, through the checkpoint's own template. Knows no pixels."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tasks.engines.protocol import Request
from tasks.engines.top_logprobs import Branching, branching
from tasks.records.errors import CheckpointError, NoScores

_KEPT = 512
"""Prompts whose ids are kept: a batch of tickets and more."""


@dataclass(frozen=True, slots=True)
class PromptIds:
    """Token ids of a prompt in two parts.

    `shared` is what requests of its kind have in common: all before the photo, or, without one, the beginning of the
    text. `own` is the rest; the photo's visual tokens stand between the two.
    """

    shared: tuple[int, ...]
    own: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.shared) + len(self.own)


class PromptEncoder:
    """Renders and tokenizes each prompt once. Safe to call from several threads.

    A photo of n visual tokens is n placeholders between the two parts: what `Qwen3VLProcessor` makes of the same chat
    (compared with it in the tests), without rendering the text again for each photo.
    """

    def __init__(self, processor: Any) -> None:
        self.tokenizer = processor.tokenizer
        self._processor = processor
        self._placeholder: int = processor.image_token_id
        self._lock = threading.Lock()  # Hugging Face's tokenizers are not safe in several threads
        self._encode = lru_cache(maxsize=_KEPT)(self._encoded)

    def encode(self, request: Request) -> PromptIds:
        """Ids around the photo, or of text alone. Raises CheckpointError if the template does not place one photo."""
        with self._lock:
            return self._encode(request.system, request.user, request.read is not None, request.shared)

    def answered(self, request: Request, answer: str) -> tuple[PromptIds, tuple[int, ...]]:
        """The prompt and an answer to it, tokenized as a whole: the prompt's ids, and the answer's.

        A tokenizer may join the end of the prompt and the beginning of the answer: the answer's ids are those from
        where the two ways of tokenizing part.
        """
        prompt = self.encode(request)
        with self._lock:
            text = self._render(request.system, request.user, request.read is not None)
            whole = self._ids(text + answer)
        if request.read is not None:
            whole.remove(self._placeholder)
        at = same_beginning(whole, [*prompt.shared, *prompt.own])
        if at <= len(prompt.shared) or at == len(whole):
            raise CheckpointError(f"the tokenizer leaves nothing of the prompt's end, or of the answer {answer!r}")
        return PromptIds(prompt.shared, tuple(whole[len(prompt.shared) : at])), tuple(whole[at:])

    def branching(self, request: Request) -> Branching:
        """Where the request's continuations part, each tokenized with the prompt as a whole. Raises NoScores."""
        answers = [self.answered(request, text) for text in request.continuations]
        if len({len(prompt) for prompt, _ in answers}) > 1:
            raise NoScores(
                "the tokenizer joins the prompt and the beginning of an answer; use engine kind transformers"
            )
        return branching([ids for _, ids in answers])

    def with_photo(self, prompt: PromptIds, visual_tokens: int) -> list[int]:
        """All ids of a prompt with a photo of that many visual tokens; 0 for text alone."""
        return [*prompt.shared, *[self._placeholder] * visual_tokens, *prompt.own]

    def _encoded(self, system: str, user: str, has_photo: bool, shared: int) -> PromptIds:
        text = self._render(system, user, has_photo)
        ids = self._ids(text)
        photos = ids.count(self._placeholder)
        if photos != has_photo:
            raise CheckpointError(
                f"the chat template places {photos} photos in a chat with {int(has_photo)}; use the chat template of "
                "the base checkpoint"
            )
        if has_photo:
            at = ids.index(self._placeholder)
            return PromptIds(tuple(ids[:at]), tuple(ids[at + 1 :]))
        begins = text.rfind(user)
        head = self._ids(text[: begins + shared]) if begins >= 0 else ids[:1]
        # At the seam the tokenizer may join what comes before and after it.
        at = max(1, min(same_beginning(head, ids), len(ids) - 1))
        return PromptIds(tuple(ids[:at]), tuple(ids[at:]))

    def _render(self, system: str, user: str, has_photo: bool) -> str:
        photo = [{"type": "image"}] if has_photo else []
        messages = [
            {"role": "system", "content": [{"type": "text", "text": system}]},
            {"role": "user", "content": [*photo, {"type": "text", "text": user}]},
        ]
        text: str = self._processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return text

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids


def same_beginning(one: Sequence[int], other: Sequence[int]) -> int:
    """How many ids both begin with."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))
