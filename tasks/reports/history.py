"""A mission's runs side by side: figures of each, and a picture of the last ones. Knows no Prefect and no store."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.runs.publish import Published
from tasks.runs.report import throughput
from tasks.runs.shards import Receipt

KEPT = 30
"""Runs that a mission's history shows: a month of nights."""

_INCHES = (9.0, 3.6)


class RunFigures(BaseModel):
    """One run in figures, as a row of the history's table keeps it. All counts but `groups_...` are of photos."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ended: datetime = Field(description="When the run was published, with its time zone.")
    run: str = Field(description="Name of the flow run.")
    photos: int
    inferred: int = Field(description="Different photos that this run read.")
    reused: int = Field(description="Different photos that earlier runs had read.")
    retried: int = Field(description="Photos that were asked more than once.")
    photos_per_second: float = Field(description="While the engine worked; 0 if it had nothing to do.")
    groups: int
    groups_quarantined: int
    seconds: float = Field(description="From the first step to the published manifest.")

    @property
    def quarantined_share(self) -> float:
        """Share of the groups that were quarantined, 0 to 1."""
        return self.groups_quarantined / self.groups if self.groups else 0.0


def figures(
    published: Published, receipts: Sequence[Receipt], reused: int, seconds: float, run: str, ended: datetime
) -> RunFigures:
    """The figures of a run that was published just now."""
    counts = published.manifest.counts
    inferred, rate = throughput(receipts)
    return RunFigures(
        ended=ended,
        run=run,
        photos=counts.photos,
        inferred=inferred,
        reused=reused,
        retried=sum(receipt.retried for receipt in receipts),
        photos_per_second=round(rate, 2),
        groups=counts.groups,
        groups_quarantined=counts.groups_quarantined,
        seconds=round(seconds, 2),
    )


def read_history(rows: Sequence[Mapping[str, Any]]) -> list[RunFigures]:
    """The runs in a history's table, oldest first. A row that another release wrote differently is left out."""
    runs = []
    for row in rows:
        try:
            runs.append(RunFigures.model_validate(row))
        except ValidationError:
            continue
    return sorted(runs, key=lambda one: one.ended)


def history_rows(runs: Sequence[RunFigures]) -> list[dict[str, Any]]:
    """The newest `KEPT` runs as a table's rows, newest first."""
    return [one.model_dump(mode="json") for one in reversed(_last(runs))]


def _last(runs: Sequence[RunFigures]) -> list[RunFigures]:
    """The newest `KEPT` runs, oldest first."""
    return sorted(runs, key=lambda one: one.ended)[-KEPT:]


def history_markdown(mission: str, runs: Sequence[RunFigures]) -> str:
    """A page with the picture of the last runs, of which there is one at least. `mission` is markdown already."""
    shown = _last(runs)
    picture = base64.b64encode(draw_history(shown)).decode()
    last = shown[-1]
    return (
        f"# {mission}: {'the last run' if len(shown) == 1 else f'the last {len(shown)} runs'}\n\n"
        f"![photos, speed and quarantine of the last runs](data:image/png;base64,{picture})\n\n"
        f"Last run: {last.photos} photos, {last.inferred} inferred at {last.photos_per_second:.1f} a second, "
        f"{last.reused} reused, {last.retried} retried, {last.quarantined_share:.1%} of {last.groups} groups "
        f"quarantined, {last.seconds:.0f} s.\n"
    )


def draw_history(runs: Sequence[RunFigures]) -> bytes:
    """A PNG with two plots over the runs, oldest first: photos read and known; photos a second and quarantine."""
    # Not at the top: it takes a third of a second, and most who import this room draw nothing.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, layout="constrained")
    FigureCanvasAgg(figure)
    photos, speed = figure.subplots(1, 2)
    places = range(len(runs))
    inferred = [one.inferred for one in runs]
    photos.bar(places, inferred, label="inferred", color="#1f6feb")
    photos.bar(places, [one.reused for one in runs], bottom=inferred, label="known from earlier runs", color="#9dc1f7")
    photos.set_title("different photos", fontsize=10)
    photos.set_ylim(0, 1.3 * max([one.inferred + one.reused for one in runs], default=0) or 1)  # room for the legend
    photos.legend(fontsize=8, ncols=2, loc="upper left")
    speed.plot(places, [one.photos_per_second for one in runs], marker="o", markersize=3, color="#1a7f37")
    speed.set_title("photos a second (line), groups quarantined in % (bars)", fontsize=10)
    speed.set_ylim(0, 1.1 * max([one.photos_per_second for one in runs], default=0) or 1)
    share = speed.twinx()
    share.bar(places, [100 * one.quarantined_share for one in runs], color="#cf222e", alpha=0.3)
    share.set_ylim(0, 100)
    every = max(1, len(runs) // 5)
    for axes in (photos, speed):
        axes.set_xticks(places[::every], [f"{one.ended:%m-%d %H:%M}" for one in runs][::every], fontsize=7)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=90)
    return out.getvalue()
