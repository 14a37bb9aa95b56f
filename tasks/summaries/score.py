"""How many summaries are exactly those of an answer key. Knows no store.

An answer key is a JSON file: mission, then `<label or 未标注>/<group_id>`, then file name, then summary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tasks.ledger.groups import Groups, State
from tasks.records.errors import InputError
from tasks.records.outcomes import Answered, Outcome
from tasks.records.work import Identity

UNLABELLED = "未标注"

_KEY = TypeAdapter(dict[str, dict[str, dict[str, str]]])


@dataclass(frozen=True, slots=True)
class Score:
    """Photos that have an answer, and how many of them were summarised exactly so."""

    answered: int
    exact: int
    misses: tuple[tuple[str, str, str], ...]
    """Photo, expected and actual text of the first few that differ."""

    @property
    def exact_match(self) -> float:
        """Share of exact summaries, 0 to 1."""
        return self.exact / self.answered


def read_answer_key(path: str | Path) -> dict[str, dict[str, dict[str, str]]]:
    """An answer key. Raises InputError naming the file."""
    try:
        return _KEY.validate_json(Path(path).read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(f"{path} is not an answer key: {error}") from error


def score(
    groups: Groups,
    identity: Identity,
    outcome_of: Callable[[str], Outcome | None],
    answers: Mapping[str, Mapping[str, Mapping[str, str]]],
    most_misses: int = 5,
) -> Score | None:
    """Compare the photos of accepted groups with their answers; None if no photo has one.

    A summary that was quarantined counts as a miss: nothing that the model got wrong is left out.
    """
    answered = exact = 0
    misses: list[tuple[str, str, str]] = []
    for entry in groups.entries(State.ACCEPTED):
        group = entry.group
        expected = answers.get(group.mission, {}).get(f"{group.label or UNLABELLED}/{group.group_id}", {})
        for photo in group.photos:
            if photo.name not in expected:
                continue
            outcome = outcome_of(identity.work_key(photo.sha256))
            text = outcome.text if isinstance(outcome, Answered) else ""
            answered += 1
            if text == expected[photo.name]:
                exact += 1
            elif len(misses) < most_misses:
                misses.append((photo.key, expected[photo.name], text))
    return Score(answered, exact, tuple(misses)) if answered else None
