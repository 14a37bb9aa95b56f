"""Parts of a page from text that nobody vouches for: every text escaped, every word of ours in both languages. Knows no
record.

A part of a page is `Markup`; whatever else comes in is text from the field, and is escaped on its way in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from tasks.records.escaping import escaped

Words = tuple[str, str]
"""What we say ourselves, in Chinese and in English."""


def text(value: object) -> Markup:
    """Text from outside: no markup of its own, and nothing that hides, colours or turns text round."""
    return value if isinstance(value, Markup) else escape(escaped(str(value)))


def both(chinese: str, english: str) -> Markup:
    """Words of ours in both languages; the page's style shows those of the language that is on."""
    return Markup(f'<span class="zh">{text(chinese)}</span><span class="en">{text(english)}</span>')


def join(parts: Iterable[Markup]) -> Markup:
    """Parts one after the other."""
    return Markup("".join(parts))


def tag(name: str, *parts: Markup, **attributes: str) -> Markup:
    """An element; attributes are escaped too, and `class_` is class."""
    told = "".join(f' {key.rstrip("_")}="{text(value)}"' for key, value in attributes.items() if value)
    return Markup(f"<{name}{told}>{join(parts)}</{name}>")


def table(head: Sequence[Words], rows: Iterable[Sequence[Markup]], kind: str = "") -> Markup:
    """A table with a row of heads."""
    heads = tag("tr", *(tag("th", both(*words)) for words in head))
    body = join(tag("tr", *(tag("td", cell) for cell in row)) for row in rows)
    return tag("div", tag("table", tag("thead", heads), tag("tbody", body), class_=kind), class_="wide")
