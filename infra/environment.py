"""`python -I infra/environment.py .venv infra/requirements.lock --editable .`: an environment from a lock file.

It is run by the Python that the environment is to have, before anything is installed, and needs the standard library
alone. It says beforehand how much will be fetched; on a terminal uv shows how far it has come.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 13)
_SIZE = re.compile(r"^# (\d+) packages, (\d+) bytes to fetch", re.MULTILINE)
_DOWNLOADS = re.compile(r"^Would download (\d+) packages?$", re.MULTILINE)
_UNPACKED = 2.6
"""Bytes on the disk for each that is fetched: torch and CUDA's libraries, packed and unpacked."""


class SetupFailed(Exception):
    """What went wrong and what helps, in one line."""


def main() -> int:
    """Command line; exit code 2 when the environment cannot be made."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the environment is, or will be")
    parser.add_argument("lock", type=Path, help="the lock file")
    parser.add_argument("--editable", type=Path, metavar="PROJECT", help="a project to install on top, as it stands")
    options = parser.parse_args()
    try:
        make(options.folder, options.lock, options.editable)
    except SetupFailed as error:
        sys.stderr.write(f"setup: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("setup: interrupted; say make again: what was fetched is kept\n")
        return 130
    return 0


def make(folder: Path, lock: Path, project: Path | None) -> None:
    """Bring the environment to what the lock file says. Raises SetupFailed."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        raise SetupFailed(
            f"{sys.executable} is Python {sys.version_info[0]}.{sys.version_info[1]}; 3.11, 3.12 or 3.13 is needed: "
            "set PYTHON=/path/to/python3.12"
        )
    python = _environment(folder)
    uv = folder / "bin" / "uv"
    if not uv.exists():
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv"]
        _run(pip, "uv, which installs the packages, could not be installed", folder)
    sync = [str(uv), "pip", "sync", "--python", str(python), str(lock)]
    fetched = _to_fetch(sync, lock, folder)
    sys.stderr.write(f"setup: {_told(fetched, lock)}\n")
    _check_disk(fetched, lock, folder)
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    _run([*sync, *quiet], "the packages could not be installed", folder)
    if project is not None:
        install = [str(uv), "pip", "install", "--quiet", "--python", str(python), "--no-deps", "--no-build-isolation"]
        _run([*install, "--editable", str(project)], f"{project} could not be installed", folder)


def _environment(folder: Path) -> Path:
    """The Python of the environment, which is made anew unless it is there and of this version."""
    python = folder / "bin" / "python"
    wanted = f"{sys.version_info[0]}.{sys.version_info[1]}"
    # One that was left half made, without pip, is of no use, unless it has uv.
    needs = "sys" if (folder / "bin" / "uv").exists() else "sys, pip"
    code = f"import {needs}; print('%d.%d' % sys.version_info[:2])"
    if python.exists():
        found = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False)
        if found.stdout.strip() == wanted:
            return python
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], stdout=2, check=False)
    if done.returncode:
        raise SetupFailed(
            f"{sys.executable} could not make {folder}, as told above; on Debian and Ubuntu venv is a package of its "
            f"own: apt install python{wanted}-venv"
        )
    return python


def _to_fetch(sync: list[str], lock: Path, folder: Path) -> int:
    """How many packages are not in uv's cache."""
    done = subprocess.run([*sync, "--dry-run"], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise SetupFailed(_reasons(f"what {lock} names could not be looked up", folder))
    found = _DOWNLOADS.search(done.stderr)
    return int(found.group(1)) if found else 0


def _size(lock: Path) -> tuple[int, int]:
    """Packages and bytes that the lock file's first line tells; `make lock` writes it."""
    found = _SIZE.search(lock.read_text(encoding="utf-8"))
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def _told(fetched: int, lock: Path) -> str:
    packages, size = _size(lock)
    if not fetched:
        return f"nothing to fetch: uv has all packages of {lock} in its cache"
    about = f"about {size / 1e9:.1f} GB"
    if fetched >= packages:
        return f"{about} in {fetched} packages will be fetched"
    return f"{fetched} of {packages} packages will be fetched, the rest is in uv's cache (all of them are {about})"


def _check_disk(fetched: int, lock: Path, folder: Path) -> None:
    """Raises SetupFailed where an environment that has to be fetched as a whole cannot fit."""
    packages, size = _size(lock)
    free = shutil.disk_usage(folder).free
    if fetched >= packages and free < size * _UNPACKED:
        raise SetupFailed(
            f"{free / 1e9:.1f} GB are free on the disk of {folder.resolve()}, and about {size * _UNPACKED / 1e9:.0f} "
            "are needed; free some, then say make again"
        )


def _run(command: list[str], trouble: str, folder: Path) -> None:
    if subprocess.run(command, stdout=2, check=False).returncode:
        raise SetupFailed(_reasons(trouble, folder))


def _reasons(trouble: str, folder: Path) -> str:
    free = shutil.disk_usage(folder).free / 1e9
    return (
        f"{trouble}, as told above. It takes a package index that can be reached, and room on the disk "
        f"({free:.1f} GB are free); then say make again: what was fetched is kept"
    )


if __name__ == "__main__":
    sys.exit(main())
