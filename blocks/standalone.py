"""Flows that can be called where no Prefect server is: by the command line, or by a person's own Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Flow

from blocks.embedded_server import server

P = ParamSpec("P")
R = TypeVar("R")


class StandaloneFlow(Flow[P, R]):
    """A flow whose call brings a Prefect server along if none is configured. A worker's run does not come this way."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the flow. Raises PrefectUnavailable if there is no server and none can be started."""
        with server():
            return super().__call__(*args, **kwargs)


def flow(**options: Any) -> Callable[[Callable[P, R]], StandaloneFlow[P, R]]:
    """Prefect's own decorator, with its options, for a flow that can be called anywhere."""
    return lambda function: StandaloneFlow(function, **options)
