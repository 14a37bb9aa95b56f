"""What takes its time, as a person runs it: flows, with a progress bar and a server if none is there, and `merge`."""

from __future__ import annotations

import os
from contextlib import ExitStack
from importlib import import_module
from typing import Any

from configs.checkpoints import MergeCheckpointConfig
from configs.commands import Command
from configs.photo import ReadConfig
from configs.settings import load
from flows.terminal import embedded, print_result, progress_bar, progress_line


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


def merge(config: MergeCheckpointConfig) -> int:
    """`fieldcheck merge`, which Prefect has no part in. Raises CheckpointError."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from tasks.checkpoints.merge import merge as merge_checkpoint

    return print_result(merge_checkpoint(config.model, config.merge, config.device, progress_line).as_json())


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


def describe_judgement(summary: dict[str, Any]) -> str:
    """A Stage-B run's summary in two lines for a person."""
    if "judgement" not in summary:
        return f"{summary['tickets']} tickets\n{summary['manifest']}\n"
    decisions = ", ".join(f"{count} {name}" for name, count in summary["decisions"].items())
    return (
        f"{summary['tickets']} tickets in {summary['seconds']:.1f} s: {decisions}; {summary['unjudged']} groups have "
        f"none; {summary['asked']} of {summary['candidates']} candidates asked for\n{summary['judgement']}\n"
    )


def _checkpoint_of(block: str) -> dict[str, Any]:
    from blocks.model_checkpoint import checkpoint_of  # Prefect, only where a block is named

    return checkpoint_of(block)
