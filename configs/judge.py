"""How Stage-B judges: which candidates are asked for, and what sends a ticket to a person. Knows no step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from configs.errors import Fault
from configs.parts import Part

RuleText = Annotated[str, StringConstraints(min_length=1, max_length=160, pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]+$")]
"""A rule as the prompt has it: one line of up to 160 characters."""

_LEAST_CANDIDATES = 3


class CellConfig(Part):
    """One cell of the grid: so many candidates, all decoded alike, each with a seed of its own."""

    temperature: float = Field(0.0, ge=0.0, le=2.0, description="0 is greedy decoding.")
    top_p: float = Field(1.0, gt=0.0, le=1.0, description="Nucleus sampling; has no effect at temperature 0.")
    samples: int = Field(1, ge=1, le=64, description="How many candidates; one at temperature 0.")


class JudgeConfig(Part):
    """How groups are judged. All but `enabled` and `audit_seed` is in the judge key: what is set otherwise is another
    judge, with certificates of its own."""

    enabled: bool = Field(True, description="Judge the tickets; without it Stage-B makes tickets and nothing else.")
    rules: tuple[RuleText, ...] = Field(
        (),
        max_length=24,
        description="Guidance to judge by, one rule each, in order. By default what the mission requires.",
    )
    grid: tuple[CellConfig, ...] = Field(
        (
            CellConfig(temperature=0.0, samples=1),
            CellConfig(temperature=0.5, top_p=0.95, samples=3),
            CellConfig(temperature=0.9, top_p=0.95, samples=3),
        ),
        min_length=1,
        max_length=16,
        description="Which candidates are asked for, a cell each.",
    )
    max_new_tokens: int = Field(192, ge=16, le=4096, description="Most tokens of a candidate.")
    stop: tuple[str, ...] = Field((), max_length=8, description="Texts before which a candidate ends.")
    seed: int = Field(17, ge=0, le=2**31 - 1, description="Seed of the samples.")
    scoring: Literal["logprobs", "votes"] = Field(
        "logprobs",
        description="What the score is: how likely the verdict's line is, or its share of the votes. An engine that "
        "gives no log-probabilities falls back to votes.",
    )
    order_check: bool = Field(
        True, description="Score the photos in two further orders: a verdict must not depend on it."
    )
    removal_check: bool = Field(
        True, description="Score a 不通过 without the photos that it names, and on them alone: it must fall, and stand."
    )
    critic: bool = Field(True, description="Ask the model for a second opinion on the winner.")
    critic_max_new_tokens: int = Field(256, ge=32, le=4096, description="Most tokens of the second opinion.")
    min_agreement: float = Field(
        0.8, ge=0.0, le=1.0, description="Share of all candidates that must agree; 0 asks for more than half."
    )
    uncalibrated: Literal["review", "allow"] = Field(
        "review", description="What becomes of verdicts without a certificate: a person looks, or they count."
    )
    incomplete: Literal["review", "ignore"] = Field(
        "review", description="What becomes of groups without the marker of a complete work order."
    )
    audit_seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed by which automatic verdicts are drawn for audit.")

    @property
    def candidates(self) -> int:
        """How many candidates a ticket has."""
        return sum(cell.samples for cell in self.grid)

    def faults(self) -> Iterator[Fault]:
        """Everything wrong that types cannot tell."""
        for number, cell in enumerate(self.grid):
            if cell.temperature == 0 and cell.samples > 1:
                what = f"{cell.samples} samples at temperature 0 are one text"
                yield Fault(f"judge.grid.{number}", what, "ask for one, or raise the temperature")
        told = [(cell.temperature, cell.top_p if cell.temperature else 1.0) for cell in self.grid]
        if len(set(told)) < len(told):
            yield Fault("judge.grid", "two cells have the same temperature and top_p", "make one cell of them")
        if self.min_agreement > 0 and self.candidates < _LEAST_CANDIDATES:
            what = f"{self.candidates} candidates cannot disagree in a way that means anything"
            yield Fault("judge.grid", what, f"ask for {_LEAST_CANDIDATES}, or set judge.min_agreement to 0")
