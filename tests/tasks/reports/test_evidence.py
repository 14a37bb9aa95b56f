"""The page of a published run with photos: found, held against their digests, upright, and none that was changed."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from blocks.local_store import LocalStore
from configs.parts import InputConfig
from tasks.records.errors import ManifestError, OutputError
from tasks.records.photos import Label
from tasks.records.verdicts import ReviewReason, Verdict
from tasks.reports import evidence
from tasks.reports.evidence import Photos, Report, Written
from tasks.reports.sources import judgement_of, stage_a_of
from tests.builders import make_group, make_photo_bytes
from tests.evidence import publish_judgement, publish_photos, put_group
from tests.tasks.reports.reading import Seen, read


def sideways(number: int) -> bytes:
    """A photo that a phone took upright, and stored lying: red at its left in the file, so at its top for a person."""
    stored = Image.new("RGB", (80, 60), "blue")
    stored.paste("red", (0, 0, 20, 60))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a maker who shall not be told"
    out = io.BytesIO()
    stored.save(out, "JPEG", quality=95, exif=exif)
    return out.getvalue() + bytes(number % 7)


class Site:
    """Photos of three groups and one in quarantine, summarised and judged."""

    def __init__(self, folder: Path) -> None:
        self.root, self.store, self.out = folder / "photos", LocalStore(folder / "store"), folder / "page"
        self.groups = [put_group(self.root, f"QC-000{number}", number, seed=number) for number in (1, 2, 3)]
        bad = [put_group(self.root, "QC-0009", 1, seed=9)]
        self.run = publish_photos(self.store, self.groups, bad)
        told = [Verdict.PASS, Verdict.FAIL, ReviewReason.TIE]
        self.judgement = publish_judgement(self.store, self.run, lambda number, group: told[number])

    def page(self, one_file: int = 200, photos: bool = True) -> Written:
        """Make the page of the judgement."""
        told = Photos(LocalStore(self.root), InputConfig()) if photos else None
        return Report(judgement_of(self.store, self.judgement.key, None), told, "zh").write(self.out, one_file)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site."""
    return Site(tmp_path)


def cards(page: str) -> dict[str, str]:
    """The markup of each group, by its title."""
    parts = page.split("<article ")[1:]
    return {re.search(r'data-id="([^"]*)"', part)[1]: part.split("</article>")[0] for part in parts}  # type: ignore[index]


def test_one_file_has_every_group_with_its_photos_verdict_candidates_and_critic(site: Site) -> None:
    written = site.page()
    assert (written.page, written.groups, written.quarantined) == (site.out.with_suffix(".html"), 3, 1)
    assert written.photos == {"shown": 6}
    page = written.page.read_text(encoding="utf-8")
    words = read(page).words
    assert list(cards(page)) == ["QC-0003#1", "QC-0002#1", "QC-0001#1", "QC-0009"]  # what a person must look at first
    assert [card.count("<img") for card in cards(page).values()] == [3, 2, 1, 0]
    third = read_part(cards(page)["QC-0003#1"])
    for told in (
        "人工复核",
        "没有一方过半数",
        "倾向：不通过",
        "3个候选回答",
        "复评：不通过",
        "依据成立",
        "说不清missing_line",
    ):
        assert told in third
    assert "照片6张，显示6张" in words.replace(" ", "")
    assert "cutoff" in read_part(cards(page)["QC-0009"])
    assert cards(page)["QC-0003#1"].count('class="cited"') == 1
    # No reader needs more than the file.
    assert not re.search(r'(src|href|data-large)="(?!data:image/jpeg;base64,)', page)


def read_part(card: str) -> str:
    """What a person reads of a group, without blanks."""
    return Seen(f"<article {card}</article>").words.replace(" ", "")


def test_a_photo_that_was_changed_is_marked_and_not_shown_and_one_that_is_gone_is_said(site: Site) -> None:
    first, second = site.groups[1].photos
    other = bytearray((site.root / first.key).read_bytes())
    other[-1] ^= 1  # as long as it was
    (site.root / first.key).write_bytes(other)
    (site.root / second.key).unlink()
    (site.root / site.groups[0].photos[0].key).write_bytes(make_photo_bytes(size=(90, 90)))  # of another length
    written = site.page()
    assert written.photos == {"shown": 3, "changed": 2, "missing": 1}
    page = written.page.read_text(encoding="utf-8")
    card = cards(page)["QC-0002#1"]
    assert "<img" not in card
    assert "照片已被更换，不显示" in read_part(card)
    assert "照片不在原处" in read_part(card)
    assert "照片 6 张，显示 3 张；已被更换 2 张，不在原处 1 张。" in read(page).words


def test_what_a_decoder_refuses_is_said_and_costs_no_page(tmp_path: Path) -> None:
    site = Site(tmp_path)
    group = put_group(site.root, "QC-0001", 2, make=lambda number: b"\xff\xd8\xff" + bytes([number]) * 200)
    run = publish_photos(site.store, [group])
    written = Report(stage_a_of(site.store, run.key), Photos(LocalStore(site.root), InputConfig()), "zh").write(
        site.out, 200
    )
    assert written.photos == {"unreadable": 2}
    assert "照片无法读取" in read(written.page.read_text(encoding="utf-8")).words


def test_pictures_stand_upright_are_bounded_and_carry_nothing_of_the_camera(tmp_path: Path) -> None:
    root, store = tmp_path / "photos", LocalStore(tmp_path / "store")
    tall = [put_group(root, "QC-0001", 1, make=sideways)]
    wide = [put_group(root, "QC-0002", 1, make=lambda number: make_photo_bytes(size=(3000, 1500), seed=number))]
    run = stage_a_of(store, publish_photos(store, [*tall, *wide]).key)
    photos = Photos(LocalStore(root), InputConfig())
    one = Report(run, photos, "zh").write(tmp_path / "one", 200)
    inside = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', one.page.read_text(encoding="utf-8"))
    upright, big = (Image.open(io.BytesIO(base64.b64decode(data))) for data in inside)
    assert (upright.size, big.size) == ((60, 80), (960, 480))
    red, _, blue = upright.getpixel((30, 5))  # type: ignore[misc]
    assert red > 200 > blue
    assert b"a maker" not in base64.b64decode(inside[0])
    assert not upright.getexif()
    many = Report(run, photos, "zh").write(tmp_path / "many", 1)
    sizes = sorted(max(Image.open(path).size) for path in (many.page.parent / "photos").iterdir())
    assert sizes == [80, 80, 360, 1440]


def test_many_photos_are_a_folder_that_leads_to_every_group(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "PER_PAGE", 3)
    written = site.page(one_file=5)
    assert written.page == site.out / "index.html"
    index = read(written.page.read_text(encoding="utf-8"))
    links = [link for link in index.attributes["href"] if link.startswith("pages/")]
    assert links == ["pages/0001.html#g0", "pages/0001.html#g1", "pages/0001.html#g2", "pages/0002.html#g3"]
    assert "img" in index.names  # of the large picture alone
    assert "src" not in index.attributes
    found = {}
    for path in sorted((site.out / "pages").iterdir()):
        page = path.read_text(encoding="utf-8")
        seen = read(page)
        assert {"../index.html", "0002.html" if path.name == "0001.html" else "0001.html"} == set(
            seen.attributes["href"]
        )
        for address in [*seen.attributes.get("src", ()), *seen.attributes.get("data-large", ())]:
            assert (path.parent / address).is_file()
        found |= cards(page)
    assert list(found) == ["QC-0003#1", "QC-0002#1", "QC-0001#1", "QC-0009"]
    assert not list(site.out.parent.glob(".page*"))


def test_a_page_is_made_anew_in_its_place_and_never_over_something_else(site: Site) -> None:
    first = site.page(one_file=0).page.read_bytes()
    (site.out / "photos" / "left.jpg").write_bytes(b"of before")
    assert site.page(one_file=0).page.read_bytes() == first
    assert not (site.out / "photos" / "left.jpg").exists()
    (site.out / "index.html").write_text("<h1>a shop</h1>")
    with pytest.raises(OutputError, match="give another place"):
        site.page(one_file=0)
    assert (site.out / "index.html").read_text() == "<h1>a shop</h1>"


def test_a_stage_a_run_shows_summaries_labels_and_what_is_missing(tmp_path: Path) -> None:
    root, store = tmp_path / "photos", LocalStore(tmp_path / "store")
    groups = [put_group(root, "QC-0001", 1, seed=1, label=Label.PASS), put_group(root, "QC-0001", 1, seed=2)]
    run = publish_photos(store, groups, [make_group("QC-0002", 1)])
    photos = Photos(LocalStore(root), InputConfig())
    written = Report(stage_a_of(store, run.key), photos, "en").write(tmp_path / "page", 200)
    page = written.page.read_text(encoding="utf-8")
    assert '<html lang="en">' in page
    words = read(page, english=True).words
    assert "2 of 2 photos are shown." in words
    assert "label of the folder 审核通过" in words
    assert "truncated image truncated_image" in words
    assert "候选" not in words


def test_without_photos_it_is_the_report_of_the_store(site: Site) -> None:
    written = site.page(photos=False)
    words = read(written.page.read_text(encoding="utf-8")).words
    assert written.photos == {}
    assert "BBU设备/品牌:华为×1" in words
    assert "照片不在原处" not in words


def test_metrics_beside_a_judgement_count_if_they_can_be_read(site: Site) -> None:
    place = Path(site.store.uri) / site.judgement.key.rpartition("/")[0] / "metrics.json"
    place.write_text(json.dumps({"half": "written"}))
    assert "指标" not in read(site.page().page.read_text(encoding="utf-8")).words


def test_the_run_of_another_night_is_refused_and_one_that_is_not_there_costs_the_photos_alone(site: Site) -> None:
    other = publish_photos(site.store, site.groups[1:])
    source = stage_a_of(site.store, other.key)
    with pytest.raises(ManifestError, match=r"is not the run .* see group QC-0001"):
        Report(judgement_of(site.store, site.judgement.key, source), None, "zh").write(site.out, 200)
    assert not site.out.with_suffix(".html").exists()
    for path in (Path(site.store.uri) / "stage_a").rglob("manifest.json"):
        path.unlink()
    written = site.page()
    assert written.photos == {"none": 6}
    page = written.page.read_text(encoding="utf-8")
    assert "来源不明 6 张" in read(page).words
    assert list(cards(page))[-1] == "QC-0009"
