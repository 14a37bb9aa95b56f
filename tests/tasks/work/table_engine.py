"""An engine that answers from a table: in any order, with a failure for a photo that cannot be read. Knows no test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tasks.engines.protocol import Completion, Failure, FinishReason, Request, Result, Results
from tasks.records.errors import PhotoError

Answer = tuple[str, FinishReason]


@dataclass
class TableEngine:
    """Gives each request id its answers one after the other, the last one for ever; remembers every call."""

    answers: Mapping[str, Sequence[Answer]]
    calls: list[list[Request]] = field(default_factory=list)
    closed: bool = False

    @property
    def name(self) -> str:
        """As in provenance."""
        return "table"

    def asked(self, key: str) -> list[Request]:
        """Every request of one photo."""
        return [request for call in self.calls for request in call if request.id == key]

    def length(self, request: Request) -> int:
        """All are alike."""
        return 1

    def generate(self, requests: Iterable[Request]) -> Results:
        """One result a request, the last request first."""
        self.calls.append(list(requests))
        for request in reversed(self.calls[-1]):
            try:
                data = request.read() if request.read else request.user.encode()
            except PhotoError as error:
                yield Failure(request.id, error)
                continue
            told = self.answers[request.id]
            text, finish_reason = told[min(len(self.asked(request.id)), len(told)) - 1]
            yield Completion(request.id, text, finish_reason, 100 + len(data), 6, len(text), 640, 480, 96, 64)

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Result:
        """The answer in one piece."""
        (result,) = self.generate([request])
        if isinstance(result, Completion):
            on_text(result.text)
        return result

    def close(self) -> None:
        """Nothing is held."""
        self.closed = True
