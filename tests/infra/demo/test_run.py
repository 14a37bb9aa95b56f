"""The demo as a newcomer runs it: a process of its own, everything made from nothing but what ships."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.demo.run import MISSIONS, combine

pytestmark = pytest.mark.timeout(900)  # two missions are read and judged, beside whatever else the suite does

ROOT = Path(__file__).parents[3]
KEYS = ["group_id", "mission", "label", "stage_a_complete", "images", "per_image"]


def run_demo(root: Path) -> tuple[dict[str, Any], str]:
    """The last line on stdout as JSON, and all of stderr."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("FIELDCHECK_", "PREFECT_"))}
    done = subprocess.run(
        [sys.executable, "-m", "infra.demo.run", "--root", str(root)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def first(root: Path) -> tuple[dict[str, Any], str]:
    """The first run in it."""
    return run_demo(root)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_demo_reads_all_missions_and_nearly_all_photos_exactly(first: tuple[dict[str, Any], str]) -> None:
    summary, _ = first
    assert (summary["groups"], summary["photos"]) == (24, 120)
    assert summary["exact_match"] >= 0.97
    assert [run["manifest"].split("/stage_a/")[1].split("/")[0] for run in summary["runs"]] == list(MISSIONS)


def test_published_lines_have_the_six_keys_and_a_ticket_each(first: tuple[dict[str, Any], str]) -> None:
    for run, mission in zip(first[0]["runs"], MISSIONS, strict=True):
        records = lines(Path(run["manifest"]).parent / f"{mission}_stage_a.jsonl")
        tickets = lines(Path(run["stage_b"]["manifest"]).parent / "tickets.jsonl")
        assert records
        assert all(list(record) == KEYS for record in records)
        assert sorted(ticket["group_id"] for ticket in tickets) == sorted(record["group_id"] for record in records)


def test_every_ticket_is_judged_and_the_last_line_says_how_well(first: tuple[dict[str, Any], str]) -> None:
    summary, _ = first
    assert sum(summary["decisions"].values()) == sum(run["stage_b"]["tickets"] for run in summary["runs"])
    for name in ("review", "accuracy"):
        rate = summary[name]
        assert 0.0 <= rate["low"] <= rate["value"] <= rate["high"] <= 1.0
    assert summary["accuracy"]["value"] >= 0.8
    for run in summary["runs"]:
        page = (Path(run["stage_b"]["judgement"]).parent / "report.html").read_text(encoding="utf-8")
        assert "未认证" in page


def test_the_truncated_photo_and_the_empty_group_are_quarantined(first: tuple[dict[str, Any], str]) -> None:
    entries = lines(Path(first[0]["manifest"]).parent / "quarantine.jsonl")
    assert {("photo", "truncated_image"), ("group", "empty_group")} <= {(e["kind"], e["reason"]) for e in entries}


def test_a_person_sees_samples_the_quarantine_and_no_traceback(first: tuple[dict[str, Any], str], root: Path) -> None:
    stderr = first[1]
    assert "quarantine" in stderr
    assert "truncated_image" in stderr
    assert "Traceback" not in stderr
    for run, mission in zip(first[0]["runs"], MISSIONS, strict=True):
        assert f"look at the photos, and at what was said of them: {run['page']}" in stderr
        page = (root / f"{mission}.html").read_text(encoding="utf-8")
        published = lines(Path(run["manifest"]).parent / f"{mission}_stage_a.jsonl")
        assert page.count("<figure") == page.count("data:image/jpeg") == sum(len(one["images"]) for one in published)


def test_the_second_run_infers_nothing_and_gives_the_same_manifests(
    first: tuple[dict[str, Any], str], root: Path
) -> None:
    again, _ = run_demo(root)
    assert again["inferred"] == 0
    assert [run["sha256"] for run in again["runs"]] == [run["sha256"] for run in first[0]["runs"]]
    assert again["exact_match"] == first[0]["exact_match"]


def test_combining_weighs_the_rate_by_answers() -> None:
    run = {"manifest": "m", "groups": 1, "photos": 5, "quarantined": 0, "inferred": 5}
    summary = combine([{**run, "exact_match": 1.0, "answered": 3}, {**run, "exact_match": 0.0, "answered": 1}], 2.5)
    assert (summary["exact_match"], summary["photos"], summary["seconds"]) == (0.75, 10, 2.5)
