"""Figures of work under way for Prometheus. Knows no server: Prefect's client serves what is registered here.

Prefect does so on port 4201 of the process that runs a flow, with PREFECT_CLIENT_METRICS_ENABLED=true.
"""

from __future__ import annotations

from prometheus_client import Gauge

from tasks.common.progress import Listener, Tick

_DONE = Gauge("fieldcheck_photos_done", "Photos of the run under way that are done.", ["of"])
_TOTAL = Gauge("fieldcheck_photos_total", "Photos that the run under way has to do.", ["of"])
_RATE = Gauge("fieldcheck_photos_per_second", "Photos a second since the first one was begun.", ["of"])


def measured(of: str) -> Listener:
    """Keeps the figures of a run up to date; `of` is its mission, or the name of its photo set."""

    done, total, rate = (gauge.labels(of) for gauge in (_DONE, _TOTAL, _RATE))

    def hear(tick: Tick) -> None:
        done.set(tick.done)
        total.set(tick.total)
        rate.set(tick.rate)

    return hear
