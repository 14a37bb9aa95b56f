"""Flows as a person at a terminal runs them: with a progress bar, and a Prefect server if none is there."""

from __future__ import annotations

from contextlib import ExitStack
from importlib import import_module
from typing import Any

from configs.commands import Command
from configs.photo import ReadConfig
from configs.settings import load
from flows.terminal import embedded, progress_bar


def run_flow(command: Command, given: dict[str, Any], profile: str | None) -> dict[str, Any]:
    """Run a command's flow and return its summary. Raises ConfigError, or whatever ended the run."""
    assert command.kind is not None, "a flow is told something"
    config = load(command.kind, given, profile, _checkpoint_of)  # every fault, before Prefect or torch is imported
    with embedded(), ExitStack() as shown:
        flow = imported(command.flow)
        if isinstance(config, ReadConfig):
            from tasks.common.progress import listening
            from tasks.engines.open import import_ahead

            import_ahead(config.engine.kind)  # while Prefect starts a server inside, and photos are verified
            shown.enter_context(listening(shown.enter_context(progress_bar())))
        summary: dict[str, Any] = flow(**given, profile=profile)
    return summary


def imported(path: str) -> Any:
    """What a dotted path names."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def describe(summary: dict[str, Any]) -> str:
    """A Stage-A run's summary in two lines for a person."""
    published = summary["groups"] - summary["quarantined"]
    exact = f", {summary['exact_match']:.2%} of the summaries exact" if "exact_match" in summary else ""
    return (
        f"published {published} of {summary['groups']} groups in {summary['seconds']:.1f} s: "
        f"{summary['inferred']} of {summary['photos']} photos inferred, {summary['reused']} known from earlier runs, "
        f"{summary['quarantined']} groups quarantined{exact}\n{summary['manifest']}\n"
    )


def _checkpoint_of(block: str) -> dict[str, Any]:
    from flows.shown import checkpoint_of  # Prefect, only where a block is named

    return checkpoint_of(block)
