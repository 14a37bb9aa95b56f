"""Whole pages from the templates beside it: nothing from elsewhere, no script but our own. Knows no store.

Every expression of a template is escaped (`tasks.reports.markup.text`). Were a text to slip through all the same, the
page's policy lets a browser run the one script whose digest it names, and load pictures alone.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tasks.reports.groups import number
from tasks.reports.markup import both, text
from tasks.reports.names import of_quarantine


def render(**told: object) -> Iterator[str]:
    """A page, piece by piece; `told` is what `templates/page.html` takes. Iterators among it are read as they come."""
    return (
        _environment()
        .get_template("page.html")
        .generate(policy=_policy(), style=Markup(_source("style.css")), script=Markup(_source("page.js")), **told)
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tasks.reports"),
        autoescape=True,
        finalize=text,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(t=both, digits=number, of_quarantine=of_quarantine)
    return environment


@cache
def _policy() -> str:
    """Only what the page itself brings along: its script, its style, pictures in it or beside it."""
    style, script = (_digest(_source(name)) for name in ("style.css", "page.js"))
    return (
        f"default-src 'none'; img-src 'self' data:; style-src '{style}'; script-src '{script}'; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


@cache
def _source(name: str) -> str:
    return (files("tasks.reports") / "templates" / name).read_text(encoding="utf-8")


def _digest(source: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(source.encode()).digest()).decode()}"
