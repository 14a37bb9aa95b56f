"""`python -m infra.demo.prepare`: puts checkpoints, adapter and photos where the demo reads them. Imports no torch."""

from __future__ import annotations

import argparse
import filecmp
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from infra.demo.pack import DEMO, expand, replace_folder
from infra.demo.photos import generate


def prepare(root: Path, say: Callable[[str], None] = lambda line: None) -> None:
    """Fill `checkpoint`, `adapter`, `judge` and `photos` under `root`; what is already whole is left alone."""
    for name, step in (
        ("checkpoint", lambda target: expand(target)),
        ("adapter", copy_adapter),
        ("judge", lambda target: expand(target, over=DEMO / "judge")),
        ("photos", generate),
    ):
        started = time.monotonic()
        step(root / name)
        say(f"{name}: {root / name} ({time.monotonic() - started:.1f} s)")


def copy_adapter(target: Path, source: Path = DEMO / "adapter") -> None:
    """Copy the shipped adapter, unless the same files are there."""
    names = sorted(path.name for path in source.iterdir())
    if target.is_dir() and not any(filecmp.cmpfiles(source, target, names, shallow=False)[1:]):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        building.chmod(0o755)
        for name in names:
            shutil.copyfile(source / name, building / name)
        replace_folder(building, target)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Prepare the demo's checkpoints, adapter and photos.")
    parser.add_argument("--root", type=Path, default=Path(".demo"))
    root: Path = parser.parse_args().root
    prepare(root, lambda line: print(line, file=sys.stderr))


if __name__ == "__main__":
    main()
