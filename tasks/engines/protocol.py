"""What every engine takes and gives. Knows no model library."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from tasks.records.errors import PhotoError
from tasks.records.stage_a import ScaledBy

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Decoding:
    """How an answer is decoded. At temperature 0 (greedy) top_p and seed have no effect."""

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One photo and one question.

    `id` comes back with the answer, and is all that sampling depends on beside the seed. `read` gives the photo's
    bytes and runs in the engine's own threads. `size` is the upright photo's width and height in pixels, if they are
    known; batches of like sizes waste less. `name` is what messages call the photo, such as its key.
    """

    id: str
    read: Callable[[], bytes]
    system: str
    user: str
    decoding: Decoding
    size: tuple[int, int] | None = None
    name: str = ""

    @property
    def label(self) -> str:
        """What messages call the photo."""
        return self.name or self.id


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. `text` holds special tokens if the model wrote any before it stopped.

    `width` and `height` are of the upright photo, in pixels; `shown_width` and `shown_height` are what the model saw of
    it. `scaled_by` names the setting that the photo was too large for, if there is one.
    """

    id: str
    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    visual_tokens: int
    completion_tokens: int
    width: int
    height: int
    shown_width: int
    shown_height: int
    scaled_by: ScaledBy | None = None

    def facts(self) -> dict[str, Any]:
        """Answer and sizes by name, as a record of it has them; all but the id."""
        return {name: value for name, value in asdict(self).items() if name != "id"}


@dataclass(frozen=True, slots=True)
class Failure:
    """One photo that cannot be read, or for which the engine has no answer. The other requests are not affected."""

    id: str
    error: PhotoError


Result = Completion | Failure

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
        asked in the same call. Raises EngineError when the engine itself fails and StoreError when a `read` does.
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
