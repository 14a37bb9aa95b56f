"""What every engine takes and gives. Knows no model library."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from tasks.records.base import ScaledBy
from tasks.records.errors import PhotoError

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Decoding:
    """How an answer is decoded. At temperature 0 (greedy) top_p and seed have no effect.

    An answer ends before the first of the `stop` strings; its finish reason is then `stop`.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One question, about one photo or about text alone.

    `id` comes back with the answer. Sampling depends on `sampled_as` (the id, if that is empty) and the seed alone: the
    same question under another prompt has the same noise, and the two can be compared. `read` gives the photo's
    bytes and runs in the engine's own threads; there is none for text alone. `size` is the upright photo's width and
    height in pixels, if they are known; batches of like sizes waste less. `name` is what messages call the photo, such
    as its key.

    Without a photo, the first `shared` characters of `user` are common to many requests: put those beside each other,
    and what they share is read once. Requests that differ in `id` and `decoding` alone, and have the same `read`, are
    samples of one question, which is read once for those that are asked one after another.

    With `continuations` nothing is written: the result is `Scores`, the log-probabilities of these answers.
    """

    id: str
    read: Callable[[], bytes] | None
    system: str
    user: str
    decoding: Decoding
    size: tuple[int, int] | None = None
    name: str = ""
    shared: int = 0
    continuations: tuple[str, ...] = ()
    sampled_as: str = ""

    @property
    def noise(self) -> str:
        """What sampling depends on beside the seed."""
        return self.sampled_as or self.id

    @property
    def question(self) -> Hashable:
        """The same for requests that ask the same of the same photo."""
        return self.system, self.user, self.shared, self.read

    @property
    def label(self) -> str:
        """What messages call the photo."""
        return self.name or self.id


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. `text` holds special tokens if the model wrote any before it stopped.

    `width` and `height` are of the upright photo, in pixels; `shown_width` and `shown_height` are what the model saw of
    it. `scaled_by` names the setting that the photo was too large for, if there is one. Without a photo all are 0.
    """

    id: str
    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    visual_tokens: int
    completion_tokens: int
    width: int = 0
    height: int = 0
    shown_width: int = 0
    shown_height: int = 0
    scaled_by: ScaledBy | None = None

    def facts(self) -> dict[str, Any]:
        """Answer and sizes by name, as a record of it has them; all but the id."""
        return {name: value for name, value in asdict(self).items() if name != "id"}


@dataclass(frozen=True, slots=True)
class Scores:
    """How likely each of a request's continuations is: the sum of its tokens' log-probabilities (natural logarithm),
    and how many tokens that are. `prompt_tokens` are those of prompt and photo.

    Engines swift and endpoint tell them apart by one token each, the first that differs: good to compare the
    continuations of one request, and nothing else. Those of transformers and reference are whole.
    """

    id: str
    log_probs: tuple[float, ...]
    tokens: tuple[int, ...]
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Failure:
    """One photo that cannot be read, or for which the engine has no answer. The other requests are not affected."""

    id: str
    error: PhotoError


Result = Completion | Scores | Failure
"""Scores for a request with continuations, a completion for any other."""

Results = Generator[Result, None, None]
"""Results as they come; closing it stops the threads behind it."""


class Engine(Protocol):
    """A loaded checkpoint."""

    @property
    def name(self) -> str:
        """Short name for provenance, such as `transformers`."""
        ...

    def length(self, request: Request) -> int:
        """About how many tokens prompt and photo will be, foretold from the photo's size alone."""
        ...

    def generate(self, requests: Iterable[Request]) -> Results:
        """One result a request, in any order, as they come.

        Requests are drawn in their order, as there is room for them, by the thread that draws the results; like ones
        beside each other waste less, and `longest_first` least. The text of a request does not depend on what else is
        asked in the same call. Raises EngineError when the engine itself fails, NoScores where it gives none, and
        StoreError when a `read` does.
        """
        ...

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Result:
        """Like `generate` for one request. `on_text` gets each new piece of text as it comes; together they are the
        completion's text. A piece never ends within a character.
        """
        ...

    def close(self) -> None:
        """Free the device. The engine cannot be used afterwards."""
        ...


def longest_first(engine: Engine, requests: Iterable[Request]) -> list[Request]:
    """The requests in an order in which batches are padded little, and one that does not fit is found at once."""
    return sorted(requests, key=lambda request: -engine.length(request))
