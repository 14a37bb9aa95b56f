"""An answer's token ids to its text, all at once or as they come. Knows no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.engines.protocol import Completion, FinishReason

if TYPE_CHECKING:
    from tasks.engines.photos import Shown

_BROKEN = "\ufffd"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model wrote up to its end token; `tokens` counts that one too."""

    text: str
    finish_reason: FinishReason
    tokens: int


def to_text(tokenizer: Any, ids: Sequence[int]) -> str:
    """The text of token ids. Special tokens stay in, so that a summary that holds one is seen to be bad."""
    return str(tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))


def read_answer(tokenizer: Any, ids: Sequence[int], ends: Set[int]) -> Answer:
    """The answer in generated ids: up to the first of the end tokens, or all of them, cut off."""
    at = next((index for index, token in enumerate(ids) if token in ends), None)
    kept = ids if at is None else ids[:at]
    return Answer(to_text(tokenizer, kept), "length" if at is None else "stop", len(kept) + (at is not None))


class StopStrings:
    """Looks for strings that end an answer, while its tokens come. The text before the first of them is the answer."""

    def __init__(self, tokenizer: Any, strings: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._strings = tuple(strings)
        # A token is at least one of the four bytes that a character may have.
        self._looked_at = 4 * max(map(len, self._strings)) + 4

    def found(self, ids: Sequence[int]) -> bool:
        """Whether the last of these tokens has completed one of the strings."""
        text = to_text(self._tokenizer, ids[-self._looked_at :])
        return any(string in text for string in self._strings)


def before_stop(answer: Answer, strings: Sequence[str]) -> Answer:
    """The answer up to the first of the strings, which ended it if one is there."""
    at = min((found for string in strings if (found := answer.text.find(string)) >= 0), default=None)
    return answer if at is None else Answer(answer.text[:at], "stop", answer.tokens)


def completion(request_id: str, answer: Answer, prompt_tokens: int, shown: Shown | None) -> Completion:
    """The completion of a request, from its answer and from what was shown, if there was a photo."""
    if shown is None:
        return Completion(request_id, answer.text, answer.finish_reason, prompt_tokens, 0, answer.tokens)
    return Completion(
        id=request_id,
        text=answer.text,
        finish_reason=answer.finish_reason,
        prompt_tokens=prompt_tokens,
        visual_tokens=shown.visual_tokens,
        completion_tokens=answer.tokens,
        width=shown.width,
        height=shown.height,
        shown_width=shown.shown_width,
        shown_height=shown.shown_height,
        scaled_by=shown.scaled_by,
    )


class Pieces:
    """Hands the text of one answer on while its tokens come, in whole characters.

    A token of byte-level BPE can end within a character, which then decodes to U+FFFD: text that ends in one waits for
    the next token. The pieces joined are the text of all tokens. Nothing after an end token is handed on.
    """

    def __init__(self, tokenizer: Any, ends: Set[int], on_text: Callable[[str], None]) -> None:
        self._tokenizer = tokenizer
        self._ends = ends
        self._on_text = on_text
        self._waiting: list[int] = []
        self._ended = False

    def add(self, token: int) -> None:
        """The next token."""
        self._ended = self._ended or token in self._ends
        if self._ended:
            return
        self._waiting.append(token)
        text = to_text(self._tokenizer, self._waiting)
        if text and not text.endswith(_BROKEN):
            self._waiting.clear()
            self._on_text(text)

    def finish(self) -> None:
        """No more tokens: what still waits is handed on, broken as it is."""
        if self._waiting:
            self._on_text(to_text(self._tokenizer, self._waiting))
            self._waiting.clear()


class Streamer:
    """What `generate` calls, as its `streamer`, with the prompt's ids and then with each new token of its one row."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._begun = False

    def put(self, ids: Any) -> None:
        """Token ids as a tensor: the prompt's first, then one at a time."""
        if self._begun:
            self._pieces.add(int(ids))
        self._begun = True

    def end(self) -> None:
        """No more tokens."""
        self._pieces.finish()
