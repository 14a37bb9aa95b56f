"""Pages of HTML from text that nobody vouches for: no script, nothing from outside, every text escaped. Knows no
record.

A part of a page is `Html`; whatever else comes in is text from the field, and is escaped on its way in.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import NewType

from tasks.records.escaping import escaped

Html = NewType("Html", str)
"""Markup of our own making, with all that came from outside escaped."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""What a browser is told: were a text to slip through, it could load and run nothing."""

_STYLE = """
:root { --pass: #1a7f37; --fail: #cf222e; --review: #9a6700; --none: #6b7683; --line: #dfe3e8; --soft: #eef1f5 }
body { font: 15px/1.6 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; margin: 2rem auto;
  max-width: 80rem; padding: 0 1.2rem; color: #1d2733; background: #f6f7f9 }
h1 { font-size: 1.6rem; margin: 0 0 .3rem } h2 { font-size: 1.15rem; margin: 2.2rem 0 .7rem } p { margin: .4rem 0 }
small, .soft { color: var(--none) } code { font-size: .85em; overflow-wrap: anywhere }
table { border-collapse: collapse; background: #fff; width: 100% }
td, th { border: 1px solid var(--line); padding: .4rem .6rem; text-align: left; vertical-align: top;
  overflow-wrap: anywhere } th { background: var(--soft); font-weight: 600; white-space: nowrap }
.num { text-align: right; white-space: nowrap } .narrow { width: auto }
.badge { display: inline-block; padding: 0 .5rem; border-radius: 1rem; color: #fff; white-space: nowrap;
  background: var(--none) }
.pass { background: var(--pass) } .fail { background: var(--fail) } .review { background: var(--review) }
.none { background: var(--none) } .id { display: inline-block; min-width: 6.5rem } nav a { margin-right: 1.2rem }
.beside { display: flex; flex-wrap: wrap; gap: 0 3rem } a { color: #1f6feb; text-decoration: none }
.open { color: var(--review); background: none; border: 1px solid var(--review) }
.cards { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1rem 0 }
.card { background: #fff; border: 1px solid var(--line); border-radius: .5rem; padding: .7rem 1.1rem; min-width: 8rem }
.card b { display: block; font-size: 1.7rem; line-height: 1.2 }
.bar { display: flex; height: .7rem; border-radius: .35rem; overflow: hidden; background: var(--soft) }
.interval { position: relative; height: .8rem; min-width: 9rem; background: var(--soft); border-radius: .2rem }
.interval i { position: absolute; top: .2rem; height: .4rem; background: #9dc1f7; border-radius: .2rem }
.interval b { position: absolute; top: 0; width: 2px; height: .8rem; background: #1f6feb }
.warn { border-left: 4px solid var(--review); background: #fff8e5; padding: .6rem 1rem }
ul { margin: 0; padding-left: 1.1rem } details summary { cursor: pointer; color: #1f6feb }
.ok::before { content: "✓ "; color: var(--pass) } .bad::before { content: "✗ "; color: var(--fail) }
.wide { overflow-x: auto } svg { background: #fff; border: 1px solid var(--line); max-width: 100%; height: auto }
@media print { body { background: #fff; margin: 0 } tr { break-inside: avoid } }
"""


def text(value: object) -> Html:
    """Text from outside: no markup of its own, and nothing that hides, colours or turns text round."""
    return Html(html.escape(escaped(str(value))))


def join(parts: Iterable[Html], between: str = "") -> Html:
    """Parts one after the other; `between` is markup."""
    return Html(between.join(parts))


def tag(name: str, *parts: Html, **attributes: str) -> Html:
    """An element; attributes are escaped too, and `class_` is class."""
    told = "".join(f' {key.rstrip("_")}="{text(value)}"' for key, value in attributes.items() if value)
    return Html(f"<{name}{told}>{join(parts)}</{name}>")


def badge(words: str, kind: str = "") -> Html:
    """A word on a coloured ground."""
    return tag("span", text(words), class_=f"badge {kind}".strip())


def table(head: Sequence[str], rows: Iterable[Sequence[Html]], kind: str = "") -> Html:
    """A table with a row of heads."""
    heads = tag("tr", *(tag("th", text(name)) for name in head))
    body = join(tag("tr", *(tag("td", cell) for cell in row)) for row in rows)
    return tag("div", tag("table", tag("thead", heads), tag("tbody", body), class_=kind), class_="wide")


def section(title: str, *parts: Html) -> Html:
    """A heading and what stands under it; `contents` finds it by its title."""
    return tag("section", tag("h2", text(title)), *parts, id=title)


def contents(*titles: str) -> Html:
    """Links to the sections of the page."""
    return tag("nav", *(tag("a", text(title), href=f"#{title}") for title in titles))


def page(title: str, *parts: Html) -> str:
    """A whole document."""
    return (
        '<!doctype html>\n<html lang="zh-CN"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{text(title)}</title><style>{_STYLE}</style></head>\n<body>{join(parts, chr(10))}</body></html>\n"
    )
