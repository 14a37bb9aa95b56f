"""A page taken apart as a browser does it: what it is made of, and what a person reads. Knows no test."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

ELEMENTS = """html head meta title style script body main nav article header section h1 h2 h3 h4 a p b i q br div span
small code pre ul li label select option input button dialog img figure figcaption table thead tbody tr th td details
summary svg rect polygon polyline path text"""
ATTRIBUTES = """id href lang charset http-equiv content name class title points fill stroke d viewbox width height role
x y text-anchor font-size type value src alt loading decoding size autocomplete hidden aria-label preserveaspectratio
data-kind data-id data-reasons data-zh data-en data-speak data-large"""
_EMPTY = {"meta", "img", "input", "br"}


class Seen(HTMLParser):
    """Every element, attribute and word of a page; `words` are those in Chinese."""

    def __init__(self, page: str, english: bool = False) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: dict[str, list[str]] = {}
        self.open: list[tuple[str, str]] = []
        self.raw = ""
        self._other = "zh" if english else "en"
        self.feed(page)
        self.close()

    @property
    def words(self) -> str:
        """What a person reads, on one line."""
        return " ".join(self.raw.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")
        if tag not in _EMPTY:
            self.open.append((tag, dict(attrs).get("class") or ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if not any(tag in ("script", "style") or kind == self._other for tag, kind in self.open):
            self.raw += data


def read(page: str, english: bool = False) -> Seen:
    """The page, with nothing in it but what the room itself writes, and all of it closed."""
    seen = Seen(page, english)
    assert not seen.open
    assert seen.names <= set(ELEMENTS.split())
    assert set(seen.attributes) <= set(ATTRIBUTES.split())
    assert all(
        re.match(r"#|pages/|\.\./index\.html$|[0-9]{4}\.html$", link) for link in seen.attributes.get("href", ())
    )
    assert all(re.match(r"data:image/jpeg;base64,|\.\./photos/", link) for link in seen.attributes.get("src", ()))
    for name in ("script", "style"):
        (inside,) = re.findall(rf"<{name}>(.*?)</{name}>", page, re.DOTALL)
        digest = b64encode(sha256(inside.encode()).digest()).decode()
        assert f"{name}-src &#39;sha256-{digest}&#39;;" in page
    return seen
