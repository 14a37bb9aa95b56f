"""The grammar of a one-line summary: read it, and name every rule that a text breaks. Knows no model.

    summary     = "无关图片" | entry *( "，" entry ) [ "，备注: " text ]
    entry       = description "×" count
    description = level *( "/" level )          类型/属性[,属性]/[条件属性]
    level       = attribute *( "," attribute )
    attribute   = 1*sign                        any character but those below
    count       = "1".."9" *8digit

One line, no final "。", no JSON, no coordinates, no special tokens, equal descriptions merged into one entry.

No sign, in a remark neither: U+FFFD, control, format and other invisible characters, private use, unassigned ones,
and spaces other than the ASCII one. No sign of a description: × and white space, and what a reader takes for a sign
of the grammar, a letter or a digit, and is another one: `／ ∕ ： ∶ ﹐ ✕ ５ Ｂ`. Nothing is repaired: with `／` a path
would have one level where a reader sees two, so the photo is asked again.

Two descriptions are equal when a reader would merge them: after Unicode's NFKC, without regard to case, with all dashes
alike, and Cyrillic and Greek letters taken for the Latin ones that they look like. `RRU/型号:А1` (Cyrillic) equals
`rru/型号:A1`; the order of attributes counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from unicodedata import category, east_asian_width, normalize

from tasks.records.special_tokens import LINE_END, REPLACEMENT, SPECIAL_TOKEN, is_control, is_format, is_unassigned

GRAMMAR_VERSION = 1
"""Part of a photo's work key: raise it when a text that was refused is accepted, for then an earlier rung of the retry
ladder might have been, and what earlier runs know is not what this one would write."""

GRAMMAR_REVISION = 2
"""No part of the work key: raise it when a text that was accepted is refused. What earlier runs know is then judged
again, see `tasks.work.kind`.

2: U+FFFD, format and unassigned characters, spaces other than the ASCII one, variant signs, descriptions that look
equal.
"""

IRRELEVANT = "无关图片"

_REMARK = "备注"
_REMARK_START = "备注: "
_ENTRY = re.compile(r"(?P<description>[^×]+)×(?P<count>[1-9][0-9]{0,8})")
_TIMES = "✕✖╳⨯⨉"
_ALMOST_ENTRY = re.compile(rf".*[×xXхХ*＊∗ｘＸ{_TIMES}]\s*[\d〇零一二两三四五六七八九十百]+\s*")
_NUMBERS = re.compile(r"[\[(（【]\s*-?\d+(?:\.\d+)?(?:(?:\s+|\s*[,，、;；]\s*)-?\d+(?:\.\d+)?)+\s*[\])）】]")
_VARIANTS = frozenset(f"∕⁄⧸╱∶꞉ː﹕﹐︐‚{_TIMES}")
_VARIED = frozenset("/:,*0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_LATIN = str.maketrans(
    "АВЕЅІЈКМНОРСТУХаеорсухѕіјΑΒΕΖΗΙΚΜΝΟΡΤΥΧο",
    "ABESIJKMHOPCTYXaeopcyxsijABEZHIKMNOPTYXo",
)


class Violation(StrEnum):
    """One rule of the grammar that a text breaks."""

    EMPTY = "empty"
    CUT_OFF = "cut_off"
    """The token limit ended the answer, not the model."""
    SPECIAL_TOKEN = "special_token"
    MULTIPLE_LINES = "multiple_lines"
    CONTROL_CHARACTER = "control_character"
    REPLACEMENT_CHARACTER = "replacement_character"
    """U+FFFD: the model wrote half of a character."""
    FORMAT_CHARACTER = "format_character"
    """Something that nobody sees: zero-width, of direction, a byte order mark, a variation selector."""
    UNASSIGNED_CHARACTER = "unassigned_character"
    """Private use, or nothing that Unicode knows."""
    JSON = "json"
    COORDINATES = "coordinates"
    FINAL_PERIOD = "final_period"
    SPACE = "space"
    """A space before, after or inside an entry; in a remark, one other than the ASCII space."""
    BAD_COUNT = "bad_count"
    """No positive integer behind the sign ×, or another sign in its place."""
    NO_COUNT = "no_count"
    """A description without ×N."""
    EMPTY_LEVEL = "empty_level"
    """A description with nothing before, between or behind its slashes and commas."""
    VARIANT_SIGN = "variant_sign"
    """A sign in a description that looks like / : , × a letter or a digit and is another one, such as ／."""
    DUPLICATE_ENTRY = "duplicate_entry"
    """Two descriptions that are or look the same; equal objects are merged and counted."""
    IRRELEVANT_WITH_ENTRIES = "irrelevant_with_entries"
    """无关图片 and something else on the same line."""
    EMPTY_REMARK = "empty_remark"
    BAD_REMARK = "bad_remark"
    """A remark that does not start with `备注: `."""
    REMARK_ALONE = "remark_alone"
    """A remark without any entry before it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind of object in a photo. `levels` are the path's parts, each a tuple of attributes."""

    description: str
    count: int

    @property
    def levels(self) -> tuple[tuple[str, ...], ...]:
        """The path, split: type first, then attributes, then conditional attributes."""
        return tuple(tuple(level.split(",")) for level in self.description.split("/"))


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary that was read. No entries means 无关图片."""

    entries: tuple[Entry, ...]
    remark: str | None = None

    @property
    def irrelevant(self) -> bool:
        """Whether the photo shows nothing to inspect."""
        return not self.entries

    def __str__(self) -> str:
        if self.irrelevant:
            return IRRELEVANT
        line = "，".join(f"{entry.description}×{entry.count}" for entry in self.entries)
        return line if self.remark is None else f"{line}，{_REMARK_START}{self.remark}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text is: the summary if it breaks no rule, and the rules that it breaks, each once, in order."""

    summary: Summary | None
    violations: tuple[Violation, ...]


def read(text: str, *, cut_off: bool = False) -> Reading:
    """Read a summary. Never raises: whatever the text is, it is a summary or it has violations.

    `cut_off` tells that the token limit ended the text. Nothing is repaired: not even surrounding white space.
    """
    found: dict[Violation, None] = {}
    if cut_off:
        found[Violation.CUT_OFF] = None
    if not text.strip():
        found[Violation.EMPTY] = None
        return Reading(None, tuple(found))
    found.update(dict.fromkeys(_line_violations(text)))
    if text == IRRELEVANT:
        return Reading(None if found else Summary(()), tuple(found))
    parts, remark = _split_remark(text, found)
    entries = [entry for part in parts if (entry := _entry(part, found)) is not None]
    if len({as_it_looks(entry.description) for entry in entries}) < len(entries):
        found[Violation.DUPLICATE_ENTRY] = None
    return Reading(None if found else Summary(tuple(entries), remark), tuple(found))


def _line_violations(text: str) -> list[Violation]:
    """Rules for the line as a whole."""
    rules = (
        (Violation.SPECIAL_TOKEN, bool(SPECIAL_TOKEN.search(text))),
        (Violation.MULTIPLE_LINES, bool(LINE_END.search(text))),
        (Violation.CONTROL_CHARACTER, any(map(is_control, LINE_END.sub("", text)))),
        (Violation.REPLACEMENT_CHARACTER, REPLACEMENT in text),
        (Violation.FORMAT_CHARACTER, any(map(is_format, text))),
        (Violation.UNASSIGNED_CHARACTER, any(map(is_unassigned, text))),
        (Violation.JSON, text.lstrip().startswith(("{", "[", "```"))),
        (Violation.COORDINATES, bool(_NUMBERS.search(text))),
        (Violation.FINAL_PERIOD, text.rstrip().endswith("。")),
        (Violation.SPACE, text != text.strip() or any(category(char) == "Zs" and char != " " for char in text)),
    )
    return [violation for violation, broken in rules if broken]


def _split_remark(text: str, found: dict[Violation, None]) -> tuple[list[str], str | None]:
    """The entries' texts, and the remark; a remark may hold commas of its own."""
    head, sign, tail = text.partition("，" + _REMARK)
    if not sign:
        if text.startswith(_REMARK):
            found[Violation.REMARK_ALONE] = None
            return [], None
        return text.split("，"), None
    remark = _REMARK + tail
    if not remark.startswith(_REMARK_START):
        found[Violation.BAD_REMARK] = None
    elif not remark[len(_REMARK_START) :].strip():
        found[Violation.EMPTY_REMARK] = None
    elif remark[len(_REMARK_START) :] != remark[len(_REMARK_START) :].strip():
        found[Violation.SPACE] = None
    return head.split("，"), remark[len(_REMARK_START) :]


def _entry(part: str, found: dict[Violation, None]) -> Entry | None:
    if part.strip() == IRRELEVANT:
        found[Violation.IRRELEVANT_WITH_ENTRIES] = None
        return None
    match = _ENTRY.fullmatch(part)
    if match is None:
        almost = "×" in part or _ALMOST_ENTRY.fullmatch(part)
        found[Violation.BAD_COUNT if almost else Violation.NO_COUNT] = None
        return None
    description = match["description"]
    if any(char.isspace() for char in description):
        found[Violation.SPACE] = None
    if not all(attribute.strip() for level in description.split("/") for attribute in level.split(",")):
        found[Violation.EMPTY_LEVEL] = None
    if any(map(_is_variant, description)):
        found[Violation.VARIANT_SIGN] = None
    return Entry(description, int(match["count"]))


def _is_variant(char: str) -> bool:
    return char in _VARIANTS or (east_asian_width(char) == "F" and normalize("NFKC", char) in _VARIED)


def as_it_looks(description: str) -> str:
    """What two descriptions that a reader takes for the same have in common."""
    folded = normalize("NFKC", normalize("NFKC", description).translate(_LATIN).casefold())
    return "".join("-" if category(char) == "Pd" or char == "\u2212" else char for char in folded if not char.isspace())
