"""Writes a mission of hostile groups, one hostile thing each, and says what must come of every one. Knows no flow.

What photos hold is in `tests.faults.contents`; here are names, links, and what else a file system or a bucket allows.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tasks.records.photos import Label
from tasks.records.reasons import Reason
from tests.faults.contents import CONTENTS
from tests.faults.pictures import jpeg

COMPANION = "img0.jpg"
"""A healthy photo in every group: it shows whether a bad one takes its group along, or is itself lost."""
SECRET = "secret.jpg"
"""A healthy photo outside the root, that nothing may reach."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What must come of a group, by its folder below the mission.

    Published with `images`; or refused, photo `bad` for `reason` and the group for `whole`; or, with neither, left out
    because it is no group. `ignored` of its files are counted as no photos of a group.
    """

    group: str
    what: str
    images: tuple[str, ...] = ()
    bad: str | None = None
    reason: Reason | None = None
    whole: Reason | None = None
    ignored: int = 0

    @property
    def group_id(self) -> str:
        """The group's id."""
        return self.group.rpartition("/")[2]

    @property
    def label(self) -> str | None:
        """The group's label."""
        head = self.group.partition("/")[0]
        return head if head in set(Label) else None


Put = Callable[[Path, bytes, Path], None]
"""Fills a group's folder, given a healthy photo and a directory outside the root."""


def write_mission(root: Path, outside: Path, mission: str, picture: Image.Image) -> list[Outcome]:
    """Write every hostile group, and two healthy ones, and say what must come of each."""
    base = root / mission
    outside.mkdir(parents=True)
    healthy = jpeg(picture)
    (outside / SECRET).write_bytes(healthy)
    outcomes = []
    for outcome, put in _groups(picture):
        folder = base / outcome.group
        folder.parent.mkdir(parents=True, exist_ok=True)
        put(folder, healthy, outside)
        outcomes.append(outcome)
    return outcomes


def _groups(picture: Image.Image) -> Iterator[tuple[Outcome, Put]]:
    for group in ("审核通过/好-1", "审核不通过/好-2"):
        yield Outcome(group, "healthy", (COMPANION, "img1.jpg")), _named("img1.jpg")
    for content in CONTENTS:
        put = _named(content.name, content.make(picture))
        if content.reason is None:
            yield Outcome(content.group, content.what, (COMPANION, content.name)), put
        else:
            yield Outcome(content.group, content.what, (), content.name, content.reason, Reason.PHOTO_REJECTED), put
    yield from _ENTRIES
    # A mode is no hindrance for root.
    name, put = "img1.jpg", _unreadable
    if os.geteuid() == 0:
        yield Outcome("mode-000", "a file that its owner may not read (as root)", (COMPANION, name)), put
    else:
        yield _refused("mode-000", "a file that its owner may not read", name, Reason.UNREADABLE), put


def _refused(group: str, what: str, bad: str, reason: Reason) -> Outcome:
    return Outcome(group, what, (), bad, reason, Reason.PHOTO_REJECTED)


def _named(name: str, data: bytes | None = None) -> Put:
    """A file of that name beside the companion."""

    def put(folder: Path, healthy: bytes, outside: Path) -> None:
        folder.mkdir()
        (folder / COMPANION).write_bytes(healthy)
        (folder / name).write_bytes(healthy if data is None else data)

    return put


def _link(target: str) -> Put:
    """`img1.jpg` as a symlink; `{outside}` in the target is the directory outside the root."""

    def put(folder: Path, healthy: bytes, outside: Path) -> None:
        _named(COMPANION)(folder, healthy, outside)
        (folder / "img1.jpg").symlink_to(target.format(outside=outside))

    return put


def _group_link(target: str) -> Put:
    return lambda folder, healthy, outside: folder.symlink_to(target.format(outside=outside))


def _pipe(folder: Path, healthy: bytes, outside: Path) -> None:
    _named(COMPANION)(folder, healthy, outside)
    os.mkfifo(folder / "img1.jpg")


def _socket(folder: Path, healthy: bytes, outside: Path) -> None:
    _named(COMPANION)(folder, healthy, outside)
    # The path of a socket may have 108 bytes only, so that it is bound elsewhere and moved.
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(".", os.O_RDONLY)
        os.chdir(folder)
        try:
            listener.bind("img1.jpg")
        finally:
            os.fchdir(here)
            os.close(here)


def _directory(folder: Path, healthy: bytes, outside: Path) -> None:
    _named(COMPANION)(folder, healthy, outside)
    (folder / "img1.jpg").mkdir()
    (folder / "img1.jpg" / "img2.jpg").write_bytes(healthy)


def _unreadable(folder: Path, healthy: bytes, outside: Path) -> None:
    _named("img1.jpg")(folder, healthy, outside)
    (folder / "img1.jpg").chmod(0)


def _published(group: str, what: str, name: str) -> tuple[Outcome, Put]:
    return Outcome(group, what, tuple(sorted((COMPANION, name)))), _named(name)


def _badly_named(group: str, what: str, name: str) -> tuple[Outcome, Put]:
    return _refused(group, what, name, Reason.BAD_NAME), _named(name)


def _ignored(group: str, what: str, name: str) -> tuple[Outcome, Put]:
    return Outcome(group, what, (COMPANION,), ignored=1), _named(name)


def _bad_group(group: str, what: str) -> tuple[Outcome, Put]:
    # The key of each of its photos is as bad as the group's own name.
    return _refused(group, what, COMPANION, Reason.BAD_NAME), _named(COMPANION)


_LINKED = Reason.UNREADABLE
_ENTRIES: tuple[tuple[Outcome, Put], ...] = (
    (_refused("link-out", "symlink to a photo outside the root", "img1.jpg", _LINKED), _link("{outside}/" + SECRET)),
    (_refused("link-zero", "symlink to /dev/zero", "img1.jpg", _LINKED), _link("/dev/zero")),
    (_refused("link-gone", "symlink to nothing", "img1.jpg", _LINKED), _link("nowhere.jpg")),
    (_refused("link-circle", "symlink to itself", "img1.jpg", _LINKED), _link("img1.jpg")),
    (Outcome("link-inside", "symlink to a photo of another group", (COMPANION, "img1.jpg")), _link("../mpo/img0.jpg")),
    (Outcome("group-out", "group folder that is a symlink out of the root", ignored=1), _group_link("{outside}")),
    (Outcome("group-circle", "group folder that is a symlink to itself", ignored=1), _group_link("group-circle")),
    (Outcome("group-inside", "group folder that is a symlink to another", (COMPANION, "img1.jpg")), _group_link("mpo")),
    (_refused("pipe", "named pipe", "img1.jpg", Reason.UNREADABLE), _pipe),
    (_refused("socket", "socket", "img1.jpg", Reason.UNREADABLE), _socket),
    (Outcome("directory", "directory named img1.jpg with a photo in it: ignored", (COMPANION,), ignored=1), _directory),
    _badly_named("name-newline", "line end in a file name", "img\n1.jpg"),
    _badly_named("name-tab", "tab in a file name", "img\t1.jpg"),
    _badly_named("name-bell", "bell and colour codes in a file name", "img\x07\x1b[31m.jpg"),
    _badly_named("name-bytes", "file name that is not UTF-8", os.fsdecode(b"img\xff\xfe1.jpg")),
    _ignored("name-dots-jpg", "..jpg: hidden, ignored", "..jpg"),
    _ignored("name-dots", "...: hidden, ignored", "..."),
    _published("name-dash", "file name that begins with a dash", "-rf.jpg"),
    _published("name-quotes", "quotes and formulas in a file name", "=\"' OR '1'='1.jpg"),
    _published("name-html", "HTML in a file name", '"><script src=x onerror=alert(1)>.jpg'),
    _published("name-markdown", "Markdown in a file name", "![x](javascript:alert(1)) | a | `b`.jpg"),
    _published("name-emoji", "emoji in a file name", "📷👷🏽‍♀️.jpg"),
    _published("name-override", "right-to-left override (U+202E) in a file name", "img\u202egpj.jpg"),
    _published("name-separator", "line separator (U+2028) in a file name", "img\u20281.jpg"),
    _published("name-long", "file name of 255 bytes", "长" * 83 + "ab.jpg"),
    _published("组" * 85, "Chinese group id of 255 bytes", "img1.jpg"),
    (Outcome(".hidden", "hidden group folder: no group", ignored=2), _named("img1.jpg")),
    _published("CON", "group id that Windows keeps for itself", "img1.jpg"),
    _published("id\\back", "backslash in a group id", "img1.jpg"),
    _published("%2e%2e%2f", "escaped ../ in a group id", "img1.jpg"),
    _published("<b>id&amp;", "HTML in a group id", "img1.jpg"),
    _published("审核通过/待审核", "group named like a folder of labels", "img1.jpg"),
    _bad_group("id\nline", "line end in a group id"),
    _bad_group(os.fsdecode(b"id\xff"), "group id that is not UTF-8"),
)

S3_KEYS: tuple[tuple[str, Outcome], ...] = (
    ("好/img1.jpg", Outcome("好", "healthy", (COMPANION, "img1.jpg"))),
    ("../evil/img1.jpg", Outcome("..", "`../` behind the mission: no group", ignored=1)),
    ("up/../up2/img1.jpg", Outcome("up", "`../` behind a group: ignored", (COMPANION,), ignored=1)),
    ("审核通过/../img1.jpg", Outcome("审核通过/..", "`../` behind a label: no group", ignored=1)),
    ("dot/./img1.jpg", Outcome("dot", "`./` behind a group: ignored", (COMPANION,), ignored=1)),
    ("./img1.jpg", Outcome(".", "`./` behind the mission: no group", ignored=1)),
    ("twice//img1.jpg", Outcome("twice", "`//` behind a group: ignored", (COMPANION,), ignored=1)),
    ("/img1.jpg", Outcome("", "`//` behind the mission: no group", ignored=1)),
    ("slash/img1.jpg/", Outcome("slash", "slash at the end: ignored", (COMPANION,), ignored=1)),
    ("bell/img\x07.jpg", _refused("bell", "control character in a name", "img\x07.jpg", Reason.BAD_NAME)),
    ("id\x1f/img1.jpg", _refused("id\x1f", "control character in a group id", "img1.jpg", Reason.BAD_NAME)),
    ("separator/img\u2028.jpg", Outcome("separator", "line separator in a name", (COMPANION, "img\u2028.jpg"))),
    ("escaped%2f..%2f/img1.jpg", Outcome("escaped%2f..%2f", "escaped `../` in a group id", (COMPANION, "img1.jpg"))),
    ("plus+ space/img 1.jpg", Outcome("plus+ space", "plus and space", (COMPANION, "img 1.jpg"))),
    (".fieldcheck-tmp-1/img1.jpg", Outcome(".fieldcheck-tmp-1", "named like a temporary file: no group", ignored=1)),
    ("back\\slash/img1.jpg", Outcome("back\\slash", "backslash", (COMPANION, "img1.jpg"))),
)
"""Keys below the mission. One more, of 1024 bytes, depends on the mission's name: see `longest_key`."""


def longest_key(mission: str) -> tuple[str, Outcome]:
    """The longest key that S3 takes, all of it but the group's part one file name."""
    name = "n" * (1024 - len(f"{mission}/long/.jpg".encode())) + ".jpg"
    return f"long/{name}", _refused("long", "key of 1024 bytes", name, Reason.BAD_NAME)
