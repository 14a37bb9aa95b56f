"""Questions of any kind asked one after another, for a person who looks on: nothing is kept in a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tasks.engines.protocol import Engine, Failure, Request, Result
from tasks.records.errors import NoScores, PhotoError
from tasks.records.outcomes import Outcome
from tasks.records.reasons import Reason
from tasks.records.work import WorkItem
from tasks.work.kind import Kind


class OneByOne:
    """Asks an engine about texts and remembers what it said, by work key."""

    def __init__(self, engine: Engine, on_text: Callable[[str], None]) -> None:
        """`on_text` gets what is streamed, as it comes, and what it is about before it."""
        self._engine, self._on_text = engine, on_text
        self._found: dict[str, Outcome] = {}

    def ask(self, kind: Kind, items: Iterable[WorkItem], *, stream: bool = False) -> None:
        """Ask these questions, each once. Raises EngineError."""
        for item in items:
            result = self._result(kind.request(item, 0, None), item.about.key if stream else None)
            self._found[item.work_key] = kind.outcome_of(item, result, self._engine.name, 1)

    def _result(self, request: Request, streamed: str | None) -> Result:
        """What the engine gives; where it gives no scores, that is what became of the question."""
        try:
            if streamed is None:
                (result,) = self._engine.generate([request])
                return result
            self._on_text(f"\n—— {streamed}\n")
            result = self._engine.stream(request, self._on_text)
            self._on_text("\n")
            return result
        except NoScores as error:
            return Failure(request.id, PhotoError(Reason.NO_SCORES, str(error)))

    def outcome(self, work_key: str) -> Outcome | None:
        """What was said to a question, or None."""
        return self._found.get(work_key)
