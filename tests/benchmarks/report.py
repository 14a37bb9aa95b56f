"""The page of very many groups: seconds and memory to make it, its size, and how soon a browser shows the first group.

`python -m tests.benchmarks.report --groups 5000` draws photos, publishes a Stage-A run and a judgement of it, makes the
folder with `fieldcheck report` in a process of its own, and opens it in headless Chromium. Absolute seconds depend on
the machine. Photos and store are kept in `.bench/report` for the next time; prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from blocks.local_store import LocalStore
from tasks.records.verdicts import ReviewReason, Verdict
from tests.browser import browser
from tests.builders import make_group, make_photo_bytes
from tests.evidence import publish_judgement, publish_photos, put_group

ROOT = Path(".bench/report")
TOLD = (Verdict.PASS, Verdict.PASS, Verdict.FAIL, ReviewReason.TIE, ReviewReason.LOW_AGREEMENT)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=5000)
    parser.add_argument("--photos", type=int, default=4, help="photos of a group")
    parser.add_argument("--side", type=int, default=1600, help="longer side of a photo in pixels")
    options = parser.parse_args()
    folder = ROOT / f"{options.groups}-{options.photos}-{options.side}"
    manifest = prepare(folder, options.groups, options.photos, options.side)
    made, page = make(folder, manifest)
    print(json.dumps({"groups": options.groups, "photos": options.photos, **made, **look(page)}, ensure_ascii=False))
    return 0


def prepare(folder: Path, groups: int, photos: int, side: int) -> str:
    """The judgement's manifest; its photos, drawn once, lie in `photos` beside the store."""
    told = folder / "manifest.txt"
    if not told.exists():
        shutil.rmtree(folder, ignore_errors=True)
        drawn = [make_photo_bytes(size=(side, side * 3 // 4), seed=seed, quality=85) for seed in range(64)]
        # Bytes behind the end make a photo another one, and cost no drawing.
        found = [
            put_group(
                folder / "photos", f"QC-{number:05d}", photos, lambda n: drawn[n % 64] + n.to_bytes(4), seed=number
            )
            for number in range(1, groups + 1)
        ]
        store = LocalStore(folder / "store")
        run = publish_photos(store, found, [make_group(f"QX-{number:04d}", 1) for number in range(groups // 100)])
        told.write_text(publish_judgement(store, run, lambda number, group: TOLD[number % len(TOLD)]).uri)
    return told.read_text()


def make(folder: Path, manifest: str) -> tuple[dict[str, Any], Path]:
    """Make the page in a process of its own: seconds, its most memory in MiB, bytes of the folder."""
    command = [sys.executable, "-m", "fieldcheck", "report", manifest, "--photos", str(folder / "photos")]
    command += ["--out", str(folder / "page")]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    said = json.loads(process.stdout.read().splitlines()[-1])
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    page = Path(said["report"])
    pictures = sum(path.stat().st_size for path in (page.parent / "photos").iterdir())
    pages = sum(path.stat().st_size for path in (page.parent / "pages").iterdir())
    return {
        "seconds": round(time.monotonic() - began, 1),
        "peak_mib": round(usage.ru_maxrss / 1024),
        "index_bytes": page.stat().st_size,
        "pages_bytes": pages,
        "pictures_bytes": pictures,
        "shown": said["photos"],
    }, page


def look(page: Path) -> dict[str, Any]:
    """Milliseconds in a browser: from the click to the index's first line, a sift, and a page's first photo."""
    paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as opened:
        opened.visit("about:blank")
        opened.visit(page.absolute().as_uri())
        opened.until(f"{paint} > 0")
        found = {
            "index_first_paint_ms": opened.evaluate(f"Math.round({paint})"),
            "index_loaded_ms": opened.evaluate(
                "Math.round(performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd)"
            ),
            "lines": opened.evaluate("document.querySelectorAll('.rows li').length"),
            "sift_ms": opened.evaluate(
                "(async () => { const began = performance.now(); const field = document.querySelector('#by-id');"
                "field.value = '04999'; field.dispatchEvent(new Event('input'));"
                "await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));"
                "return Math.round(performance.now() - began); })()"
            ),
            "heap_mib": opened.evaluate("Math.round(performance.memory.usedJSHeapSize / 2**20)"),
        }
        began = time.monotonic()
        opened.evaluate("document.querySelector('.rows a').click()")
        assert opened.until("document.querySelector('.group img')?.naturalWidth > 0")
        found["first_group_ms"] = round(1000 * (time.monotonic() - began))
    return found


if __name__ == "__main__":
    sys.exit(main())
