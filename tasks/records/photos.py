"""Photos and groups on their way through a run. Knows no store and no model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Label(StrEnum):
    """The inspector's verdict on a work order, as the folder names say it. No label is `None`."""

    PASS = "审核通过"
    FAIL = "审核不通过"


PENDING_FOLDER = "待审核"
"""Folder of work orders without a verdict; its groups have no label, like those directly under the mission."""

MARKER = "stage_a_complete"
"""Name of the marker file in a group whose work order is complete."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo of a group.

    `name` is its file name, `key` its key under the input root, `size` its bytes. `sha256` (64 hex digits),
    `width` and `height` (pixels, EXIF orientation applied) are known once the photo was read.
    """

    name: str
    key: str
    size: int
    sha256: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """One work order's photos, in natural order of their names.

    The same `group_id` under two labels is a resubmission: two groups. `marked` tells whether the group
    carries the `stage_a_complete` marker; `folder` is the group's key under the input root.
    """

    group_id: str
    mission: str
    label: Label | None
    photos: tuple[Photo, ...]
    marked: bool = False
    folder: str = ""

    @property
    def sort_key(self) -> tuple[str, str]:
        """Groups are ordered by id, then label; unlabelled first."""
        return self.group_id, self.label or ""


def printable(name: str) -> str:
    """A name as records can hold it: bytes that are not UTF-8 are written as `\\xff`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def on_one_line(name: str) -> str:
    """A name from the field as logs and terminals can show it: what is not printable is escaped, spaces stay."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in name)
