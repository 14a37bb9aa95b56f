"""What a person reads of a run of dense captions: markdown and table rows. Knows no Prefect and no terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tasks.dense.publish import PublishedCaptions
from tasks.dense.records import CaptionRecord, RejectedRecord
from tasks.dense.score import Score
from tasks.runs.report import code, safe


def captions_markdown(
    published: PublishedCaptions, samples: Iterable[CaptionRecord], inferred: int, seconds: float, score: Score | None
) -> str:
    """The page of a run: counts, score, kinds of objects in the samples."""
    manifest, counts = published.manifest, published.manifest.counts
    rows = [
        ("Photos captioned", f"{counts.captioned} of {counts.photos}"),
        ("Rejected", str(counts.rejected)),
        ("Objects", str(counts.objects)),
        ("Inferred in this run", str(inferred)),
        ("Seconds", f"{seconds:.1f}"),
        ("F1 at IoU 0.5", "no answer key" if score is None else f"{score.f1:.4f} over {score.photos} photos"),
        ("Right descriptions", "no answer key" if score is None else f"{score.desc_accuracy:.2%} of the objects found"),
        ("Checkpoint", " + ".join(f"`{digest[:12]}`" for digest in (manifest.checkpoint, *manifest.adapters))),
        ("Manifest", code(published.uri)),
        ("sha256", f"`{published.sha256}`"),
    ]
    lines = [f"# {safe(manifest.name)}", "", "| | |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in rows]
    lines += ["", "## Samples", "", "| photo | objects |", "| --- | --- |"]
    for record in samples:
        kinds = Counter(str(item["desc"]) for item in record.objects.values())
        told = "，".join(f"{desc}×{count}" for desc, count in kinds.items()) or "无关图片"
        lines.append(f"| {safe(record.image)} | {safe(told)} |")
    return "\n".join(lines) + "\n"


def rejected_rows(rejected: Iterable[RejectedRecord], most: int = 200) -> list[dict[str, str]]:
    """Table rows, one a photo without a caption. Prefect's page reads every cell as markdown."""
    return [
        {
            "photo": safe(entry.image),
            "reason": entry.reason.value,
            "detail": safe("; ".join(entry.violations) or entry.detail),
            "text": safe(entry.text or ""),
        }
        for entry, _ in zip(rejected, range(most), strict=False)
    ]
