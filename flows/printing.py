"""The edge to a terminal: whatever is printed or logged is text that a terminal shows, and never one that it obeys.

Names of photos and folders, answers of models and replies of servers come from outside. They pass here on their way to
stdout, stderr and every handler of a log, so that no message has to think of it.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from types import TracebackType
from typing import Any, TextIO, cast

from tasks.records.escaping import EscapingFormatter, EscapingStream, escaped


def say(text: str) -> None:
    """Text on stderr, as it is: line ends are the caller's."""
    sys.stderr.write(escaped(text))
    sys.stderr.flush()


def print_piece(text: str) -> None:
    """A piece of a text on stdout, as it comes."""
    sys.stdout.write(_encodable(escaped(text)))
    sys.stdout.flush()


def print_json(value: Any) -> None:
    """A line on stdout: JSON whose strings, once read, are exactly what they were."""
    line = json.dumps(value, ensure_ascii=False)
    if not line.isprintable() or line != _encodable(line):
        line = "".join(sign if sign == escaped(sign) == _encodable(sign) else json.dumps(sign)[1:-1] for sign in line)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@contextmanager
def escaped_stderr() -> Iterator[None]:
    """What others write to stderr in the block, such as argparse of wrong flags."""
    with redirect_stderr(cast("TextIO", EscapingStream(sys.stderr))):
        yield


def escape_tracebacks() -> None:
    """Let the tracebacks of faults of our own pass here too."""

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        say("".join(traceback.format_exception(kind, error, trace)))

    sys.excepthook = show
    threading.excepthook = lambda of: show(of.exc_type, of.exc_value or of.exc_type(), of.exc_traceback)


def escape_logs() -> None:
    """Let every record that is formatted from now on pass here, whichever handler of the process it goes to."""
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    for handler in {handler for logger in loggers for handler in logger.handlers}:
        if not isinstance(handler.formatter, EscapingFormatter):
            handler.setFormatter(EscapingFormatter(handler.formatter or logging.Formatter()))


def _encodable(text: str) -> str:
    """Text that stdout can encode: of another character set than UTF-8, what is not in it is spelled out."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
