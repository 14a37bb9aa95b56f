"""`fieldcheck`, and `python -m fieldcheck`: the command line, whatever lies in the working directory."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fieldcheck.own_names import put_own_root_first


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line of `flows.cli` and return its exit code; without `argv`, as the process's own program."""
    put_own_root_first()
    if argv is None:
        from blocks.program import fieldcheck

        fieldcheck()
    from flows.cli import main as run

    return run(argv)


if __name__ == "__main__":
    sys.exit(main())
