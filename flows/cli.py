"""Runs what the command line asks for. Knows flows and exit codes; the flags are in `configs.cli`.

Exit codes: 0 done, 1 the run failed, 2 wrong usage or configuration, 130 and 143 told to end by Ctrl-C and SIGTERM.
The last line on stdout is one JSON object; everything else goes to stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_settings import CliApp, SettingsError, get_subcommand

from blocks.program import fieldcheck
from configs.cli import (
    CaptionCommand,
    DenseCaptionCommand,
    Fieldcheck,
    InspectCommand,
    MergeCommand,
    MissionsCommand,
    RequeueCommand,
    StageACommand,
    StageBCommand,
    SummarizeCommand,
    VerifyCommand,
)
from configs.dense import DenseCaptionConfig
from configs.errors import ConfigError, FieldcheckError
from configs.missions import known_missions
from configs.settings import load
from configs.stage_a import StageAConfig
from configs.stage_b import StageBConfig, VerifyConfig
from flows import checkpoint_commands, photo_commands
from flows.printing import escape_tracebacks, escaped_stderr, say
from flows.terminal import complain, embedded, print_result, progress_bar

if TYPE_CHECKING:
    from tasks.runs.verified_files import Checked

FAILED, USAGE = 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Parse `argv`, run the command, and return the exit code. Without `argv` it is the process's own program."""
    if argv is None:
        fieldcheck()
    args = list(argv)
    escape_tracebacks()
    try:
        with escaped_stderr():
            command = parse(args or ["--help"])
    except SystemExit as stop:  # argparse has printed usage or help
        return int(stop.code or 0)
    except (SettingsError, ValidationError) as error:
        return complain(str(error), USAGE)
    try:
        return _COMMANDS[type(command)](command)
    except ConfigError as error:
        return complain(str(error), USAGE)
    except FieldcheckError as error:
        return complain(f"{type(error).__name__}: {error}", FAILED)


def parse(args: list[str]) -> Any:
    """The sub-command that `args` ask for. Raises SystemExit as argparse does."""
    root = CliApp.run(Fieldcheck, cli_args=args, cli_cmd_method_name="_no_such_method")
    return get_subcommand(root)


def run_stage_a(given: dict[str, Any], profile: str | None) -> dict[str, Any]:
    """Run the Stage-A flow for a person at a terminal and return its summary. Raises ConfigError or whatever ended
    the run."""
    config = load(StageAConfig, given, profile, _checkpoint_of)  # every fault, before Prefect or torch is imported
    with embedded():
        from flows.stage_a import stage_a
        from tasks.common.progress import listening
        from tasks.engines.open import import_ahead

        import_ahead(config.engine.kind)  # while Prefect starts a server inside, and photos are verified
        with progress_bar() as listener, listening(listener):
            summary: dict[str, Any] = stage_a(**given, profile=profile)
    return summary


def _checkpoint_of(block: str) -> dict[str, Any]:
    from flows.shown import checkpoint_of  # Prefect, only where a block is named

    return checkpoint_of(block)


def _stage_a(command: StageACommand) -> int:
    summary = run_stage_a(command.given(), command.profile)
    say(describe(summary))
    return print_result(summary)


def _requeue(command: RequeueCommand) -> int:
    given = command.given()
    given["requeue"] = given.pop("quarantine", None)
    summary = run_stage_a(given, command.profile)
    say(describe(summary))
    return print_result(summary)


def describe(summary: dict[str, Any]) -> str:
    """A run's summary in two lines for a person."""
    published = summary["groups"] - summary["quarantined"]
    exact = f", {summary['exact_match']:.2%} of the summaries exact" if "exact_match" in summary else ""
    return (
        f"published {published} of {summary['groups']} groups in {summary['seconds']:.1f} s: "
        f"{summary['inferred']} of {summary['photos']} photos inferred, {summary['reused']} known from earlier runs, "
        f"{summary['quarantined']} groups quarantined{exact}\n{summary['manifest']}\n"
    )


def _stage_b(command: StageBCommand) -> int:
    given = command.given()
    load(StageBConfig, given, command.profile)
    with embedded():
        from flows.stage_b import stage_b

        summary = stage_b(**given, profile=command.profile)
    return print_result(summary)


def _dense_caption(command: DenseCaptionCommand) -> int:
    given = command.given()
    load(DenseCaptionConfig, given, command.profile, _checkpoint_of)
    with embedded():
        from flows.dense_caption import dense_caption
        from tasks.common.progress import listening

        with progress_bar() as listener, listening(listener):
            summary: dict[str, Any] = dense_caption(**given, profile=command.profile)
    return print_result(summary)


def _verify(command: VerifyCommand) -> int:
    from blocks.stores import open_store
    from tasks.dense.check import DENSE, check_captions
    from tasks.runs.check import check_run
    from tasks.runs.keys import split_manifest_uri

    config = load(VerifyConfig, command.given(), command.profile)
    root, key = split_manifest_uri(config.manifest)
    store = open_store(root, config.s3)
    if key.startswith(f"{DENSE}/"):
        captions = check_captions(store, key, config.sha256)
        return print_result(_verified(config.manifest, captions, {"name": captions.manifest.name}))
    checked = check_run(store, key, config.sha256)
    return print_result(_verified(config.manifest, checked, {"mission": checked.manifest.mission}))


def _verified(manifest: str, checked: Checked[Any], of: dict[str, str]) -> dict[str, Any]:
    return {
        "manifest": manifest,
        "sha256": checked.sha256,
        "stage": checked.stage,
        **of,
        "objects": checked.objects,
        "records": checked.records,
        "bytes": checked.bytes,
    }


def _missions(command: MissionsCommand) -> int:
    from blocks.schedules import check_schedules  # Prefect, only where schedules are looked at

    check_schedules(known_missions())
    for mission in known_missions().values():
        say(f"{mission.name}  ({mission.slug})\n    {mission.focus}\n")
    return print_result({"missions": list(known_missions())})


_COMMANDS: dict[type, Callable[[Any], int]] = {
    StageACommand: _stage_a,
    RequeueCommand: _requeue,
    StageBCommand: _stage_b,
    SummarizeCommand: photo_commands.summarize,
    CaptionCommand: photo_commands.caption,
    DenseCaptionCommand: _dense_caption,
    MergeCommand: checkpoint_commands.merge,
    InspectCommand: checkpoint_commands.inspect,
    VerifyCommand: _verify,
    MissionsCommand: _missions,
}


if __name__ == "__main__":
    sys.exit(main())
