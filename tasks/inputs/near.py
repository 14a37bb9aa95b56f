"""Names that were meant to be another: a label's folder with a blank in it, a marker called `stage_a_complete.txt`.

Such a name is told with what it is near to, and never guessed: 审核不过 could be either label.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from tasks.records.photos import MARKER, PENDING_FOLDER, Label

_FOLDERS = (Label.PASS.value, Label.FAIL.value, PENDING_FOLDER)
_OTHER_WORDS = {
    Label.PASS.value: ("通过", "已通过", "审核已通过", "审批通过", "合格", "审核合格", "pass", "passed"),
    Label.FAIL.value: (
        "不通过",
        "未通过",
        "审核未通过",
        "审核没通过",
        "审批不通过",
        "审核失败",
        "不合格",
        "审核不合格",
        "驳回",
        "fail",
        "failed",
    ),
    PENDING_FOLDER: ("待审", "未审核", "待审批", "审核中", "未审", "pending"),
}
_SIMPLE = str.maketrans("審過覈核待駁迴", "审过核核待驳回")
"""Traditional forms of the labels' characters."""

_COPY = re.compile(r"(副本|复件|備份|备份|copy|\d+)+$")
"""What file managers put behind the name of a copy."""
_MARKER = re.sub(r"[^a-z]", "", MARKER)


def near_label(name: str) -> tuple[str, ...]:
    """The label folders that a folder's name is near to without being one of them."""
    if name in _FOLDERS:
        return ()
    plain = _letters(name)
    plain = _COPY.sub("", plain) or plain
    same = [folder for folder in _FOLDERS if plain == folder or plain in _OTHER_WORDS[folder]]
    return tuple(same or [folder for folder in _FOLDERS if _apart_by_one(plain, folder)])


def near_marker(name: str) -> bool:
    """Whether a file's name is nearly the marker's: other case, other signs between the words, something behind it."""
    if name == MARKER or name.startswith("._"):  # the shadow that a Mac leaves beside every file
        return False
    return re.sub(r"[^a-z]", "", unicodedata.normalize("NFKC", name).lower()).startswith(_MARKER)


def near_names(wanted: str, names: Iterable[str]) -> list[str]:
    """Of these names, those that say `wanted` in other signs: blanks, full-width forms, decomposed letters."""
    plain = _letters(wanted)
    return sorted(name for name in names if name != wanted and _letters(name) == plain)


def _letters(name: str) -> str:
    """Letters and digits alone, in one form."""
    folded = unicodedata.normalize("NFKC", name).casefold().translate(_SIMPLE)
    return "".join(sign for sign in folded if unicodedata.category(sign)[0] in "LN")


def _apart_by_one(one: str, other: str) -> bool:
    """Whether one sign more, less or other makes the two the same."""
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    start = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[start + (len(one) >= len(other)) :] == other[start + (len(other) >= len(one)) :]
