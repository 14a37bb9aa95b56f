"""Tests of `fieldcheck report MANIFEST`: a published run of whatever kind in, a page with its photos out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from blocks.local_store import LocalStore
from flows.cli import main
from tasks.records.verdicts import ReviewReason, Verdict
from tasks.runs.publish import Published
from tasks.tickets.ingest import ingest
from tasks.verdicts.publish import PublishedJudgement
from tests.builders import MISSION
from tests.evidence import publish_judgement, publish_photos, put_group
from tests.tasks.reports.reading import read


@pytest.fixture
def run(tmp_path: Path) -> Published:
    """A run of two groups, and its photos under `photos`."""
    store, root = LocalStore(tmp_path / "store"), tmp_path / "photos"
    return publish_photos(store, [put_group(root, f"QC-000{number}", 2, seed=number) for number in (1, 2)])


@pytest.fixture
def judgement(tmp_path: Path, run: Published) -> PublishedJudgement:
    """A judgement of it: a pass, and a group for a person."""
    told = [Verdict.PASS, ReviewReason.TIE]
    return publish_judgement(LocalStore(tmp_path / "store"), run, lambda number, group: told[number])


def report(capsys: pytest.CaptureFixture[str], *told: str) -> dict[str, Any]:
    """What the command says of the page that it made."""
    assert main(["report", *told]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_a_judgement_becomes_a_page_beside_which_nothing_is_needed(
    judgement: PublishedJudgement, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = report(capsys, judgement.uri, "--photos", str(tmp_path / "photos"), "--out", str(tmp_path / "page"))
    assert told | {"seconds": 0} == {
        "report": str(tmp_path / "page.html"),
        "mission": MISSION,
        "groups": 2,
        "quarantined": 0,
        "photos": {"shown": 4},
        "seconds": 0,
    }
    words = read((tmp_path / "page.html").read_text(encoding="utf-8")).words
    assert "QC-0002#1" in words
    assert "没有一方过半数" in words


def test_the_newest_run_of_a_mission_its_tickets_and_the_run_itself_give_the_same_page(
    run: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = LocalStore(tmp_path / "store")
    tickets = ingest(store, run.key, store).uri
    pages = set()
    for manifest in (run.uri, tickets):
        told = report(capsys, manifest, "--photos", "photos", "--language", "en")
        assert told["report"] == f"{MISSION}-{run.manifest.run_id}.html"
        pages.add(Path(told["report"]).read_bytes())
    assert len(pages) == 1
    assert b'<html lang="en">' in pages.pop()


def test_a_judgement_whose_run_is_in_another_store_is_told_where_it_is(
    run: Published, judgement: PublishedJudgement, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "store" / "stage_a").rename(tmp_path / "elsewhere" / "stage_a")
    out = ["--photos", str(tmp_path / "photos"), "--out", str(tmp_path / "page")]
    assert report(capsys, judgement.uri, *out)["photos"] == {"none": 4}
    source = str(tmp_path / "elsewhere" / run.key)
    assert report(capsys, judgement.uri, "--source", source, *out)["photos"] == {"shown": 4}


def test_what_is_wrong_is_told_at_once(run: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["report", run.uri, "--photos", str(tmp_path / "no photos"), "--out", str(tmp_path / "no" / "page")]) == 2
    )
    said = capsys.readouterr().err
    assert "photos: there is no folder" in said
    assert "out: there is no folder" in said
    records = Path(run.uri).with_name(f"{MISSION}_stage_a.jsonl")
    records.write_bytes(records.read_bytes().replace("规范".encode(), "歪斜".encode()))
    assert main(["report", run.uri, "--photos", str(tmp_path / "photos"), "--out", str(tmp_path / "page")]) == 1
    assert "was changed" in capsys.readouterr().err
    assert not list(tmp_path.glob("*page*"))
