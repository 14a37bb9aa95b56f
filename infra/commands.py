"""Prefect's own command line, for what its REST API has no call for. Knows no site."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
PREFECT = [sys.executable, "-P", "-m", "prefect", "--no-prompt"]


def run_quietly(command: Sequence[str], env: Mapping[str, str]) -> None:
    """A command of Prefect's, whose words are only of interest when it fails. Raises CalledProcessError."""
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.stderr.write(done.stdout)
        raise subprocess.CalledProcessError(done.returncode, command)
