"""Progress of a run's photos, kept up to date as an artifact in Prefect's UI and as figures for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from tasks.common.progress import Progress, Tick, in_background, listening, throttled
from tasks.reports.metrics import measured
from tasks.runs.task import shown_if_possible

_ARTIFACT_SECONDS = 2.0


@contextmanager
def shown_progress(of: str, pending: int, noun: str = "photo") -> Iterator[Progress]:
    """Progress of a run's photos, or of other questions, kept up to date in Prefect's UI and for Prometheus; `of` names
    the run there."""
    nothing = 0.0 if pending else 100.0
    artifact: UUID | None = None
    with shown_if_possible():
        artifact = create_progress_artifact(progress=nothing, description=f"0 of {pending} {noun}s")

    def show(tick: Tick) -> None:
        if artifact is None:
            return
        with shown_if_possible():
            update_progress_artifact(
                artifact,
                progress=100.0 * tick.done / tick.total,
                description=f"{tick.done} of {tick.total} {noun}s, {tick.rate:.1f} a second",
            )

    # Prefect's client tries for more than a minute to reach a server that is gone; the GPU has no part in that.
    with in_background(show) as hear, listening(throttled(hear, _ARTIFACT_SECONDS)), listening(measured(of)):
        yield Progress(pending, noun=noun)
