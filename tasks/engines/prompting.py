"""Token ids of a chat with one photo, through the checkpoint's own template. Knows no pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tasks.records.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class PromptIds:
    """Token ids before and after the photo's placeholders."""

    before: tuple[int, ...]
    after: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.before) + len(self.after)


class PromptEncoder:
    """Renders and tokenizes each (system, user) pair once.

    A photo of n visual tokens is n placeholders between the two parts: what `Qwen3VLProcessor` makes of the same chat
    (compared with it in the tests), without rendering the text again for each photo.
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self._placeholder: int = processor.image_token_id
        self._known: dict[tuple[str, str], PromptIds] = {}

    def encode(self, system: str, user: str) -> PromptIds:
        """Ids around the photo. Raises CheckpointError if the template does not place exactly one photo."""
        key = (system, user)
        if key not in self._known:
            messages = [
                {"role": "system", "content": [{"type": "text", "text": system}]},
                {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": user}]},
            ]
            text = self._processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            ids: list[int] = self._processor.tokenizer(text, add_special_tokens=False)["input_ids"]
            if ids.count(self._placeholder) != 1:
                raise CheckpointError(
                    f"the chat template places {ids.count(self._placeholder)} photos in a chat with one; "
                    "use the chat template of the base checkpoint"
                )
            at = ids.index(self._placeholder)
            self._known[key] = PromptIds(tuple(ids[:at]), tuple(ids[at + 1 :]))
        return self._known[key]

    def with_photo(self, prompt: PromptIds, visual_tokens: int) -> list[int]:
        """All ids of a prompt with a photo of that many visual tokens."""
        return [*prompt.before, *[self._placeholder] * visual_tokens, *prompt.after]
