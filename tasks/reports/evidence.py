"""The page of a published run with its photos: one file when they are few, else a folder that opens at `index.html`.

    <out>.html                      one file, pictures in it
    <out>/index.html                every group as a line, to filter by
    <out>/pages/0001.html ...       the groups themselves, `PER_PAGE` on each
    <out>/photos/<sha256>.jpg       each photo large; <sha256>-s.jpg, small

What is written stands beside its place until it is whole. Photos are read in threads, a few groups ahead.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from markupsafe import Markup

from blocks.store import Store
from configs.parts import InputConfig
from tasks.common.batches import batches
from tasks.common.prefetch import prefetch
from tasks.records.errors import OutputError
from tasks.reports.groups import GroupView, Picture, State, judged, quarantined, summarised
from tasks.reports.judgement import ORDER, TITLE, facts
from tasks.reports.markup import Words, both, join
from tasks.reports.overview import (
    Totals,
    above_judgement,
    above_summaries,
    below_judgement,
    below_summaries,
    filters,
    photos_found,
)
from tasks.reports.pages import render
from tasks.reports.pictures import Album, InFolder, InPage, picture_of
from tasks.reports.sources import Group, Judgement, Left, StageA

PER_PAGE = 40
"""Groups on a page of a folder."""

ONE_FILE_GROUPS = 300
"""Most groups of a page in one file, however few photos they have."""

_READERS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class Photos:
    """Where photos lie, and what is accepted as one."""

    root: Store
    limits: InputConfig


@dataclass
class Written:
    """A page that was written: its place, and what is on it."""

    page: Path
    groups: int = 0
    quarantined: int = 0
    photos: Counter[State] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Row:
    """A group as a line of the index."""

    link: str
    title: str
    kind: str
    decision: Words
    photos: int
    reasons: tuple[tuple[str, Words], ...]
    score: str


class Report:
    """The page of one run, in the making."""

    def __init__(self, run: StageA | Judgement, photos: Photos | None, language: Literal["zh", "en"]) -> None:
        self._run, self._photos, self._language = run, photos, language
        self._states: Counter[State] = Counter()
        self._reasons: dict[str, Words] = {}
        if isinstance(run, Judgement):
            self._totals = Totals.of(run.selections(), run.manifest.unjudged)
        else:
            counts = run.manifest.counts
            self._totals = Totals(Counter({"read": counts.groups_published, "quarantined": counts.groups_quarantined}))

    def write(self, out: Path, one_file: int) -> Written:
        """Write it: as one file if there are at most so many photos. What stands there and is a page of ours is
        replaced. Raises OutputError for something else, ManifestError, RecordError or StoreError."""
        groups = sum(self._totals.kinds.values())
        few = groups <= ONE_FILE_GROUPS and (self._photos is None or self._count() <= one_file)
        place = out if out.suffix == ".html" else out.with_name(f"{out.name}.html")
        if not few:
            place = place.with_suffix("")
        try:
            with _beside(place) as unfinished:
                if few:
                    self._one_file(unfinished)
                else:
                    self._folder(unfinished)
        except OSError as error:
            raise OutputError(f"{place} cannot be written: {error.strerror or error}") from error
        left = self._totals.kinds["quarantined"]
        return Written(place if few else place / "index.html", groups - left, left, self._states)

    def _one_file(self, path: Path) -> None:
        groups = list(self._groups(InPage()))
        self._page(path, groups=groups, filters=filters(self._totals, self._reasons), **self._around())

    def _folder(self, folder: Path) -> None:
        (folder / "pages").mkdir(parents=True)
        album = InFolder(folder / "photos", "../photos/")
        last = -(-sum(self._totals.kinds.values()) // PER_PAGE)
        rows: list[_Row] = []
        for number, groups in enumerate(batches(self._groups(album), lambda: PER_PAGE), start=1):
            name = f"{number:04d}.html"
            first = len(rows)
            for at, group in enumerate(groups, start=first):
                rows.append(_row(group, f"pages/{name}#g{at}"))
            before, after = (f"{at:04d}.html" if 0 < at <= last else "" for at in (number - 1, number + 1))
            self._page(folder / "pages" / name, groups=groups, first=first, around=(before, after))
        self._page(folder / "index.html", rows=rows, filters=filters(self._totals, self._reasons), **self._around())

    def _page(self, path: Path, **told: Any) -> None:
        nothing = Markup("")
        all_of_it: dict[str, Any] = {
            "language": self._language,
            "mission": self._run.manifest.mission,
            "title": TITLE if isinstance(self._run, Judgement) else ("照片与摘要", "photos and summaries"),
            "facts": self._facts(),
            "top": nothing,
            "bottom": nothing,
            "filters": None,
            "rows": None,
            "groups": None,
            "first": 0,
            "around": None,
            **told,
        }
        with path.open("w", encoding="utf-8") as file:
            for piece in render(**all_of_it):
                file.write(piece)

    def _around(self) -> dict[str, Markup]:
        """What stands above and below the groups; asked for when they have been read."""
        run, found = self._run, photos_found(self._states) if self._photos else Markup("")
        if isinstance(run, StageA):
            return {"top": join([above_summaries(run.manifest), found]), "bottom": below_summaries(run.manifest)}
        source = run.source.store.uri_of(run.source.key) if run.source else ""
        top = join([above_judgement(run.manifest, self._totals), found])
        return {"top": top, "bottom": below_judgement(run.manifest, run.metrics(), source)}

    def _facts(self) -> Markup:
        if isinstance(self._run, Judgement):
            return facts(self._run.manifest)
        told = self._run.manifest.run_id, self._run.manifest.counts.groups, self._run.manifest.counts.photos
        return both("运行 {} · {} 组 · {} 张照片".format(*told), "run {} · {} groups · {} photos".format(*told))

    def _count(self) -> int:
        """How many photos there are."""
        if isinstance(self._run, StageA):
            return self._run.manifest.counts.photos_published
        return sum(group.photos for group in self._published())

    def _published(self) -> Iterator[Group]:
        if isinstance(self._run, StageA):
            return self._run.groups()
        return chain.from_iterable(self._run.groups(decision) for decision in ORDER)

    def _groups(self, album: Album) -> Iterator[GroupView]:
        """Every group as it is shown, in order, its photos read a little ahead."""
        items: Iterable[Group | Left] = chain(self._published(), self._run.quarantine())
        with ThreadPoolExecutor(_READERS, thread_name_prefix="photo") as pool:
            for view in prefetch(pool, lambda item: self._view(item, album), items, 2 * _READERS):
                self._states.update(photo.picture.state for photo in view.photos if self._photos)
                self._reasons.update(view.reasons)
                yield view

    def _view(self, item: Group | Left, album: Album) -> GroupView:
        if isinstance(item, tuple):
            return quarantined(*item)
        pictures: list[Picture] = []
        if self._photos is not None:
            root, limits = self._photos.root, self._photos.limits
            pictures = [picture_of(root, line, limits, album) if line else Picture() for line in item.lines]
        if item.record is not None:
            return summarised(item.record, pictures, item.missing)
        assert item.selection is not None
        return judged(item.selection, item.ticket, pictures, item.candidates)


def default_place(run: StageA | Judgement) -> Path:
    """Where the page of a run goes if nobody says: in the working directory, and beside no other's."""
    return Path(f"{run.manifest.mission}-{run.manifest.run_id}")


def _row(group: GroupView, link: str) -> _Row:
    return _Row(link, group.title, group.kind, group.decision, len(group.photos), group.reasons, group.score)


@contextmanager
def _beside(place: Path) -> Iterator[Path]:
    """A place beside another one, which it takes in the end. Raises OutputError if something strange stands there."""
    if place.is_dir() and not _is_ours(place):
        raise OutputError(f"{place} is a folder, and no page of ours: give another place with --out")
    unfinished = place.with_name(f".{place.name}.{os.getpid()}-{time.monotonic_ns()}")
    try:
        yield unfinished
        if place.is_dir():
            old = unfinished.with_name(f"{unfinished.name}-old")
            os.replace(place, old)
            os.replace(unfinished, place)
            shutil.rmtree(old)
        else:
            os.replace(unfinished, place)
    finally:
        if unfinished.is_dir():
            shutil.rmtree(unfinished)
        unfinished.unlink(missing_ok=True)


def _is_ours(folder: Path) -> bool:
    index = folder / "index.html"
    if not index.is_file():
        return not any(folder.iterdir())
    with index.open(encoding="utf-8", errors="replace") as file:
        return 'content="fieldcheck report"' in file.read(4096)
