"""A page with the photos of published runs and their summaries. Knows the published files; runs nothing."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from tasks.runs.keys import MANIFEST, PROVENANCE, QUARANTINE, records_name

_STYLE = """
body { font: 15px/1.5 system-ui, "Noto Sans CJK SC", "PingFang SC", sans-serif; margin: 2rem auto; max-width: 76rem;
  padding: 0 1rem; color: #1d2733; background: #f6f7f9 }
h2 { margin: 2.5rem 0 .5rem } h3 { margin: 1.5rem 0 .5rem; font-size: 1rem; font-weight: 600 }
.label { font-weight: 400; padding: .1rem .5rem; border-radius: .3rem; background: #e3e7ed; margin-left: .5rem }
.group { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem }
figure { margin: 0; background: #fff; border: 1px solid #dfe3e8; border-radius: .4rem; overflow: hidden }
img { display: block; width: 100%; height: 11rem; object-fit: contain; background: #22272e }
figcaption { padding: .5rem .7rem; overflow-wrap: anywhere } small { color: #6b7683; display: block }
table { border-collapse: collapse; background: #fff } td, th { border: 1px solid #dfe3e8; padding: .3rem .7rem;
  text-align: left }
"""


def write_gallery(page: Path, photos: Path, runs: Sequence[Path]) -> Path:
    """Write `page` over the runs' folders; photos are linked where they are, under `photos`. Returns the page."""
    body = "\n".join(part for run in runs for part in _run(run, os.path.relpath(photos, page.parent)))
    page.write_text(
        "<!doctype html><html lang=zh><meta charset=utf-8><title>Fieldcheck: Stage-A</title>"
        f"<style>{_STYLE}</style><h1>Fieldcheck: photos and their summaries</h1>\n{body}</html>\n",
        encoding="utf-8",
    )
    return page


def _run(folder: Path, photos: str) -> Iterator[str]:
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    counts = manifest["counts"]
    yield f"<h2>{html.escape(manifest['mission'])}</h2>"
    yield (
        f"<p>{counts['groups_published']} of {counts['groups']} groups and {counts['photos_published']} of "
        f"{counts['photos']} photos published; run {html.escape(manifest['run_id'])}</p>"
    )
    provenance = iter(_lines(folder / PROVENANCE))
    for record in _lines(folder / records_name(manifest["mission"])):
        label = html.escape(record["label"] or "no label")
        yield f"<h3>{html.escape(record['group_id'])}<span class=label>{label}</span></h3><div class=group>"
        for text in record["per_image"].values():
            photo = next(provenance)
            source = "/".join(quote(part) for part in f"{photos}/{photo['key']}".split("/"))
            yield (
                f'<figure><img loading=lazy src="{source}" alt=""><figcaption>{html.escape(text)}'
                f"<small>{html.escape(photo['name'])} · {photo['width']}x{photo['height']} · "
                f"{photo['visual_tokens']} visual tokens</small></figcaption></figure>"
            )
        yield "</div>"
    rows = "".join(
        f"<tr><td>{html.escape(e['group_id'])}<td>{html.escape(e['image'] or '-')}<td>{e['reason']}"
        f"<td>{html.escape(e['detail'])}</tr>"
        for e in _lines(folder / QUARANTINE)
    )
    if rows:
        yield f"<h3>Quarantine</h3><table><tr><th>group<th>photo<th>reason<th>detail</tr>{rows}</table>"


def _lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
