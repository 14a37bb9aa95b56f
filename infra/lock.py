"""`python -m infra.lock requirements`: resolves a lock file anew, for Python 3.11 to 3.13, and notes how large it is.

The first line of a lock file says how many packages are installed on a Linux machine with an x86_64 CPU, and how many
bytes are fetched for them: `infra.environment` tells it before it begins. No lock file names an index.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

ROOT = Path(__file__).parents[1]
_COMPILE = ["pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
_PLAIN = ["--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate"]
_PYTHON = (3, 11)
_MACHINE = {
    "implementation_name": "cpython",
    "implementation_version": "3.11.0",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.9",
    "python_version": "3.11",
    "sys_platform": "linux",
}


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock file, what it is resolved from, and uv's further words."""

    file: str
    source: str
    words: tuple[str, ...] = ()


LOCKS = {
    "requirements": Lock("infra/requirements.lock", "pyproject.toml", ("--group", "dev")),
    "vllm-cpu": Lock("infra/vllm/cpu.lock", "infra/vllm/cpu.in", ("--override", "infra/vllm/cpu.override")),
    "vllm-gpu": Lock("infra/vllm/gpu.lock", "infra/vllm/gpu.in"),
}


def main() -> int:
    """Command line; uv's exit code when it finds no solution."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("locks", nargs="+", choices=LOCKS, help="which of them")
    parser.add_argument("--keep", action="store_true", help="keep the versions that the lock file has, where they fit")
    options = parser.parse_args()
    for name in options.locks:
        try:
            lock(LOCKS[name], options.keep)
        except subprocess.CalledProcessError as error:
            return int(error.returncode)
    return 0


def lock(wanted: Lock, keep: bool) -> None:
    """Write one lock file anew. Raises CalledProcessError as uv fails, which says why."""
    file = ROOT / wanted.file
    before = file.read_text(encoding="utf-8") if keep and file.exists() else None
    with tempfile.TemporaryDirectory() as folder:
        plain, sized = Path(folder, "plain.txt"), Path(folder, "pylock.toml")
        if before is not None:
            plain.write_text(before, encoding="utf-8")
        words = [*_COMPILE, *wanted.words, wanted.source]
        _uv(*words, *_PLAIN, *([] if keep else ["--upgrade"]), "--output-file", str(plain))
        # The same versions again, in the form that tells sizes; it tells addresses too, and is not kept.
        _uv(*words, "--constraint", str(plain), "--format", "pylock.toml", "--output-file", str(sized))
        packages = tomllib.loads(sized.read_text(encoding="utf-8"))["packages"]
        count, size = measure(packages)
        text = plain.read_text(encoding="utf-8")
    pinned = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    head = f"# {count} packages, {size} bytes to fetch for Linux on x86_64\n"
    file.write_text(head + pinned, encoding="utf-8")
    sys.stderr.write(f"{wanted.file}: {count} packages, {size / 1e9:.1f} GB\n")


def measure(packages: Iterable[dict[str, Any]]) -> tuple[int, int]:
    """How many packages of a pylock.toml a Linux machine with an x86_64 CPU needs, and their bytes."""
    rank = {tag: place for place, tag in enumerate(_tags())}
    count = size = 0
    for package in packages:
        if "marker" in package and not Marker(package["marker"]).evaluate(_MACHINE):
            continue
        count += 1
        best = min(
            ((place, wheel) for wheel in package.get("wheels", ()) if (place := _place(wheel, rank)) is not None),
            key=lambda found: found[0],
            default=(0, package.get("sdist") or {}),
        )[1]
        size += best.get("size", 0)
    return count, size


def _tags() -> Iterable[Tag]:
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)]
    platforms += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"]
    yield from cpython_tags(_PYTHON, platforms=platforms)
    yield from compatible_tags(_PYTHON, "cp311", platforms)


def _place(wheel: dict[str, Any], rank: dict[Tag, int]) -> int | None:
    """How well a wheel suits the machine, 0 best; None if it does not."""
    name = wheel.get("name") or wheel["url"].rpartition("/")[2]
    try:
        tags = parse_wheel_filename(name.replace("%2B", "+"))[3]
    except InvalidWheelFilename:
        return None
    return min((rank[tag] for tag in tags if tag in rank), default=None)


def _uv(*words: str) -> None:
    subprocess.run([str(Path(sys.executable).with_name("uv")), *words], cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
