"""Runs what the command line asks for. Knows flows and exit codes; the flags are in `configs.cli`.

Exit codes: 0 done, 1 the run failed, 2 wrong usage or configuration. The last line on stdout is one JSON object;
everything else goes to stderr.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError
from pydantic_settings import CliApp, SettingsError, get_subcommand

from configs.cli import Fieldcheck, MissionsCommand, RequeueCommand, StageACommand, StageBCommand, VerifyCommand
from configs.errors import ConfigError, FieldcheckError, PrefectUnavailable
from configs.missions import known_missions
from configs.settings import load_stage_a, load_stage_b, load_verify

DONE, FAILED, USAGE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Parse `argv` (default: the process's own), run the command, and return the exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        command = parse(args or ["--help"])
    except SystemExit as stop:  # argparse has printed usage or help
        return int(stop.code or 0)
    except (SettingsError, ValidationError) as error:
        return _complain(str(error), USAGE)
    try:
        return _COMMANDS[type(command)](command)
    except ConfigError as error:
        return _complain(str(error), USAGE)
    except FieldcheckError as error:
        return _complain(f"{type(error).__name__}: {error}", FAILED)
    except KeyboardInterrupt:
        return _complain("interrupted; run the same command again to go on", 130)


def parse(args: list[str]) -> Any:
    """The sub-command that `args` ask for. Raises SystemExit as argparse does."""
    root = CliApp.run(Fieldcheck, cli_args=args, cli_cmd_method_name="_no_such_method")
    return get_subcommand(root)


def run_stage_a(given: dict[str, Any], profile: str | None) -> dict[str, Any]:
    """Run the Stage-A flow for a person at a terminal and return its summary. Raises ConfigError or whatever ended
    the run."""
    load_stage_a(given, profile)  # every fault, before Prefect or torch is imported
    with _embedded():
        from flows.stage_a import stage_a
        from tasks.records.progress import listening

        with _progress_bar() as listener, listening(listener):
            summary: dict[str, Any] = stage_a(**given, profile=profile)
    return summary


def _stage_a(command: StageACommand) -> int:
    summary = run_stage_a(command.given(), command.profile)
    sys.stderr.write(describe(summary))
    return _print(summary)


def _requeue(command: RequeueCommand) -> int:
    given = command.given()
    given["requeue"] = given.pop("quarantine", None)
    summary = run_stage_a(given, command.profile)
    sys.stderr.write(describe(summary))
    return _print(summary)


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
    load_stage_b(given, command.profile)
    with _embedded():
        from flows.stage_b import stage_b

        summary = stage_b(**given, profile=command.profile)
    return _print(summary)


def _verify(command: VerifyCommand) -> int:
    from blocks.stores import open_store
    from tasks.publishing.check import check_run
    from tasks.publishing.keys import split_manifest_uri

    config = load_verify(command.given(), command.profile)
    root, key = split_manifest_uri(config.manifest)
    checked = check_run(open_store(root, config.s3), key, config.sha256)
    return _print(
        {
            "manifest": config.manifest,
            "sha256": checked.sha256,
            "stage": checked.stage,
            "mission": checked.manifest.mission,
            "objects": checked.objects,
            "records": checked.records,
            "bytes": checked.bytes,
        }
    )


def _missions(command: MissionsCommand) -> int:
    for mission in known_missions().values():
        sys.stderr.write(f"{mission.name}  ({mission.slug})\n    {mission.focus}\n")
    return _print({"missions": list(known_missions())})


_COMMANDS: dict[type, Callable[[Any], int]] = {
    StageACommand: _stage_a,
    RequeueCommand: _requeue,
    StageBCommand: _stage_b,
    VerifyCommand: _verify,
    MissionsCommand: _missions,
}


@contextmanager
def _embedded() -> Iterator[None]:
    """Prefect made fit for a person's terminal; a server is started inside the process if none is configured."""
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    # The server inside takes some 15 seconds on two idle cores; on busy ones Prefect's own limit of 20 is too short.
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # A busy disk makes the server inside log tracebacks of its own, about its own retries.
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
    from prefect.logging.configuration import ensure_logging_setup

    ensure_logging_setup()
    for handler in logging.getLogger().handlers:
        handler.addFilter(_without_our_tracebacks)
    try:
        yield
    except Exception as error:
        if not _is_of_prefect_gone(error):
            raise
        raise PrefectUnavailable(
            f"the Prefect API does not answer ({type(error).__name__}): check PREFECT_API_URL and that the server is "
            "up, and run the same command again; what was summarised is kept"
        ) from error


def _without_our_tracebacks(record: logging.LogRecord) -> bool:
    """Errors of ours, and those of a server that is gone, say all that a person needs; the traceback stays in the logs
    that Prefect keeps."""
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and (isinstance(error, FieldcheckError) or _is_of_prefect_gone(error)):
        record.exc_info = record.exc_text = None
    return True


def _is_of_prefect_gone(error: BaseException | None) -> bool:
    """Whether Prefect's client raised this because it reached no server: it has several ways of saying so."""
    import httpx
    from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError

    while error is not None and not isinstance(error, FieldcheckError):
        if isinstance(error, httpx.HTTPError | ConcurrencySlotAcquisitionError):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def _progress_bar() -> Iterator[Callable[[Any], None]]:
    """A bar on a terminal; elsewhere a plain line now and then."""
    from tasks.records.progress import Tick, throttled

    if not sys.stderr.isatty():

        def line(tick: Tick) -> None:
            sys.stderr.write(f"{tick.done}/{tick.total} photos, {tick.rate:.1f} a second\n")

        yield throttled(line, 5.0)
        return

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("photos", total=None, rate="")

        def show(tick: Tick) -> None:
            bar.update(task, completed=tick.done, total=tick.total, rate=f"{tick.rate:.1f} a second")

        yield show


def _print(summary: dict[str, Any]) -> int:
    sys.stdout.write(json.dumps(summary, ensure_ascii=False) + "\n")
    sys.stdout.flush()
    return DONE


def _complain(message: str, code: int) -> int:
    sys.stderr.write(f"fieldcheck: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
