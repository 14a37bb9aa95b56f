"""What a person reads of a run: markdown and table rows. Knows no Prefect and no terminal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from tasks.records.photos import on_one_line
from tasks.records.stage_a import QuarantineEntry, StageARecord
from tasks.runs.publish import Published
from tasks.runs.shards import Receipt


def throughput(receipts: Iterable[Receipt]) -> tuple[int, float]:
    """Photos inferred in this run, and photos a second while the engine worked (0 if none were)."""
    done = list(receipts)
    photos = sum(receipt.inferred for receipt in done)
    seconds = sum(receipt.seconds for receipt in done)
    return photos, photos / seconds if seconds > 0 else 0.0


def run_markdown(
    published: Published,
    receipts: Sequence[Receipt],
    reused: int,
    quarantine: Iterable[QuarantineEntry],
    samples: Sequence[StageARecord],
    exact_match: float | None,
    seconds: float,
    notes: Sequence[str] = (),
) -> str:
    """The page that a person on call reads: counts, throughput, quarantine by reason, `notes` on the input, sample
    summaries."""
    manifest, counts = published.manifest, published.manifest.counts
    inferred, rate = throughput(receipts)
    rows = [
        ("Groups published", f"{counts.groups_published} of {counts.groups}"),
        ("of them without some photos", str(counts.groups_partial)),
        ("Photos published", f"{counts.photos_published} of {counts.photos}"),
        ("Different photos", str(counts.unique_photos)),
        ("Inferred in this run", f"{inferred} ({rate:.1f} a second)" if inferred else "0"),
        ("Taken over from earlier runs", str(reused)),
        ("Retried", str(sum(receipt.retried for receipt in receipts))),
        ("Exact summaries", "no answer key" if exact_match is None else f"{exact_match:.2%}"),
        ("Seconds", f"{seconds:.1f}"),
        ("Checkpoint", " + ".join(f"`{digest[:12]}`" for digest in (manifest.checkpoint, *manifest.adapters))),
        ("Manifest", code(published.uri)),
        ("sha256", f"`{published.sha256}`"),
    ]
    lines = [f"# {safe(manifest.mission)}", "", "| | |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in rows]
    lines += ["", "## Quarantine", ""]
    rows_of_reasons = reasons(quarantine)
    if rows_of_reasons:
        lines += ["| kind | reason | count | first |", "| --- | --- | --- | --- |"]
        for row in rows_of_reasons:
            lines.append(f"| {row['kind']} | {row['reason']} | {row['count']} | {safe(row['first'])} |")
    else:
        lines.append("Nothing was quarantined.")
    if notes:
        lines += ["", "## Input", "", *(f"- {safe(note)}" for note in notes)]
    lines += ["", "## Samples", "", "| group | photo | summary |", "| --- | --- | --- |"]
    lines += [
        f"| {safe(record.group_id)} | {safe(name)} | {safe(text)} |"
        for record in samples
        for name, text in zip(record.images, record.per_image.values(), strict=True)
    ]
    return "\n".join(lines) + "\n"


def reasons(quarantine: Iterable[QuarantineEntry]) -> list[dict[str, str]]:
    """Quarantine by kind and reason, most frequent first, with the first place of each."""
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], str] = {}
    for entry in quarantine:
        counts[entry.kind, entry.reason.value] += 1
        first.setdefault((entry.kind, entry.reason.value), entry.key or f"{entry.label or '-'}/{entry.group_id}")
    return [
        {"kind": kind, "reason": reason, "count": str(count), "first": first[kind, reason]}
        for (kind, reason), count in counts.most_common()
    ]


def quarantine_rows(quarantine: Iterable[QuarantineEntry], most: int = 200) -> list[dict[str, str]]:
    """Table rows, one a quarantined photo or group. Prefect's page reads every cell as markdown."""
    return [
        {
            "kind": entry.kind,
            "label": entry.label or "",
            "group": safe(entry.group_id),
            "photo": safe(entry.image or ""),
            "reason": entry.reason.value,
            "detail": safe(entry.detail),
            "last text": safe(entry.text or ""),
        }
        for entry, _ in zip(quarantine, range(most), strict=False)
    ]


_MARKUP = re.compile(r"[!-/:-@\[-`{-~]")


def safe(text: str) -> str:
    """Text from the field as markdown: not trusted, so no markup, no link and no table cell or line of its own."""
    # Backslashes and not HTML entities: Prefect's page shows those as they are written.
    # All of ASCII's punctuation: `www.` and an `@` are links to some readers of markdown.
    return _MARKUP.sub(r"\\\g<0>", on_one_line(text))


def code(text: str) -> str:
    """Text from the field as code, in a table's cell too: a backtick cannot end it, nor a stroke the cell."""
    return "`" + on_one_line(text).replace("`", "\\x60").replace("|", "\\x7c") + "`"
