"""What certifying and its forecast are told: the mission, what is to be bounded, and how sure one wants to be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import CliToggleFlag

from configs.base import BaseConfig
from configs.errors import Fault
from configs.missions import MissionNames
from configs.preflight import check_any_mission, check_store
from configs.stores import S3Options

_ALPHA = {"false_pass": 0.05, "false_fail": 0.10}
_ACTIONS = ("forecast",)


class BoundConfig(BaseConfig):
    """A bound on automatic verdicts of one kind, for the judge of a published judgement."""

    mission: Annotated[str, MissionNames] = Field("", description="Mission: its Chinese name.")
    store: str = Field("", description="Where Stage-B's results are: a directory, or s3://bucket/prefix.")
    risk: Literal["false_pass", "false_fail"] = Field(
        "false_pass", description="What is bounded: automatic 通过 that are wrong, or automatic 不通过."
    )
    alpha: float | None = Field(
        None,
        gt=0,
        lt=0.5,
        description="Most automatic verdicts that may be wrong; by default 0.05 of 通过 and 0.10 of 不通过.",
    )
    delta: float = Field(0.1, gt=0, lt=0.5, description="How likely the bound may be wrong, over all looks together.")
    since: float = Field(0.5, ge=0.5, lt=1, description="Lowest score of groups whose label is asked for.")
    draw: int | None = Field(
        None, ge=1, le=100_000, description="How many groups a look draws; by default enough for one wrong one."
    )
    draw_seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed by which groups are drawn.")
    judgement: str | None = Field(
        None, pattern=r"^[0-9a-f]{16}$", description="Run id of a judgement: its judge is meant, not the newest one's."
    )
    s3: S3Options = Field(default_factory=S3Options, description="How s3:// is reached.")

    @property
    def most_wrong(self) -> float:
        """alpha, as it is given or by default."""
        return _ALPHA[self.risk] if self.alpha is None else self.alpha

    def faults(self, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
        """Everything wrong with mission and store."""
        if "mission" not in skip:
            yield from check_any_mission(self.mission)
        if "store" not in skip:
            yield from check_store(self.store)


class CertifyConfig(BoundConfig):
    """A look at labels."""

    again: CliToggleFlag[bool] = Field(
        False, description="Open another look once one has ended. It may spend half as much of delta."
    )
    close: CliToggleFlag[bool] = Field(
        False, description="End a look though labels are lacking: groups without one count as wrong."
    )
    by: str | None = Field(None, min_length=1, max_length=200, description="Who certifies; kept in the certificate.")


class ReviewConfig(BoundConfig):
    """Something about the groups that people look at."""

    action: str = Field("", description="What to do: forecast, how many labels a certificate takes and whose.")

    def faults(self, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
        """Everything wrong with what is to be done, and where."""
        if "action" not in skip and self.action not in _ACTIONS:
            what = f"there is no {self.action!r}" if self.action else "is not given"
            yield Fault("action", what, f"give one of {', '.join(_ACTIONS)}")
        yield from super().faults(skip)
