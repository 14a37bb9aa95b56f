"""Runs what the command line asks for. The commands are in `configs.commands`, their flags in `configs.cli`.

Exit codes: 0 done, 1 the run failed, 2 wrong usage or configuration, 130 and 143 told to end by Ctrl-C and SIGTERM.
The last line on stdout is one JSON object; everything else goes to stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pydantic_settings import SettingsError

from blocks.program import fieldcheck
from configs.cli import Typed, parse
from configs.errors import ConfigError, FieldcheckError
from configs.settings import load
from flows.commands.runs import imported, run_flow
from flows.printing import escape_tracebacks, escaped_stderr, say
from flows.terminal import complain, print_result

FAILED, USAGE = 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Parse `argv`, run the command, and return the exit code. Without `argv` it is the process's own program."""
    if argv is None:
        fieldcheck()
    escape_tracebacks()
    try:
        with escaped_stderr():
            typed = parse(argv or ["--help"])
    except SystemExit as stop:  # argparse has printed usage or help
        return int(stop.code or 0)
    except SettingsError as error:
        return complain(str(error), USAGE)
    try:
        return run(typed)
    except ConfigError as error:
        return complain(str(error), USAGE)
    except FieldcheckError as error:
        return complain(f"{type(error).__name__}: {error}", FAILED)


def run(typed: Typed) -> int:
    """Run a command and return the exit code. Raises ConfigError, or whatever ended the run."""
    command = typed.command
    if command.flow:
        summary = run_flow(command, typed.given, typed.profile)
        if command.words:
            say(imported(command.words)(summary))
        return print_result(summary)
    if command.kind is None:
        return int(imported(command.function)())
    config = load(command.kind, typed.given, typed.profile)
    return int(imported(command.function)(config))


if __name__ == "__main__":
    sys.exit(main())
