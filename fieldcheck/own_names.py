"""Finds who stands in the way of our packages, whose names are general: a `tasks.py` beside the caller, a `flows/`.

Python takes the first of a name on sys.path, and the working directory comes first for `python -c` and `python -m`.
The command line puts its own root first. Where others import our packages it is theirs to say whose names count: the
order stays, and an import that cannot succeed says which file is in the way, in place of "'tasks' is not a package".

`fieldcheck.pth` imports this module at every start of Python: it imports nothing that Python has not loaded by then.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
"""The folder that holds our packages: a checkout, or site-packages."""

NEEDS = {"flows": ("tasks", "blocks", "configs"), "tasks": ("configs",), "blocks": ("configs",), "configs": ()}
"""Our packages, and which of the others each of them always imports."""


def put_own_root_first() -> None:
    """Put our root before whatever else has one of our names. Does nothing where nothing has."""
    if any(stranger(name) for name in NEEDS):
        sys.path.insert(0, ROOT)


def stranger(name: str) -> str | None:
    """The file, or folder, that Python takes for our package `name`; None if it is our own, or there is none."""
    places: list[str]
    file: str | None
    module = sys.modules.get(name)
    if module is not None:
        places, file = list(getattr(module, "__path__", ())), getattr(module, "__file__", None)
    elif spec := PathFinder.find_spec(name):
        places, file = list(spec.submodule_search_locations or ()), spec.origin
    else:
        return None
    if not (places or file) or any(_is_own(name, place) for place in places):
        return None
    return os.path.abspath(file or places[0])


class Explainer:
    """A finder that finds nothing, and raises where an import of ours cannot succeed because of a stranger."""

    def __init__(self) -> None:
        self._undisturbed: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None, always.

        Raises ModuleNotFoundError for a module of ours that a stranger hides, or whose own imports one breaks.
        """
        package, _, module = fullname.partition(".")
        if package not in NEEDS or not module or "." in module or package in self._undisturbed:
            return None
        if any(_is_own(package, place) for place in path or ()):
            for name in NEEDS[package]:
                if found := stranger(name):
                    raise ModuleNotFoundError(_told(fullname, name, found), name=fullname, path=found)
            self._undisturbed.add(package)
        elif _have(package, module) and PathFinder.find_spec(fullname, path) is None and (found := stranger(package)):
            raise ModuleNotFoundError(_told(fullname, package, found), name=fullname, path=found)
        return None


def explain_strangers() -> None:
    """Have imports say who is in the way, from now on; once is enough."""
    if not any(isinstance(finder, Explainer) for finder in sys.meta_path):
        sys.meta_path.insert(0, Explainer())


def _is_own(package: str, place: str) -> bool:
    return os.path.realpath(place) == os.path.join(ROOT, package)


def _have(package: str, module: str) -> bool:
    stem = os.path.join(ROOT, package, module)
    return os.path.isfile(f"{stem}.py") or os.path.isdir(stem)


def _told(fullname: str, name: str, found: str) -> str:
    inside = os.path.splitext(os.path.basename(found))[0] == "__init__"
    folder = os.path.dirname(os.path.dirname(found) if inside else found)
    listed = [os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    cure = f"take {folder} off PYTHONPATH" if folder in listed else "start Python with -P (or PYTHONSAFEPATH=1)"
    return (
        f"{fullname} of Fieldcheck cannot be imported: {name!r} is {found}, which comes before "
        f"{os.path.join(ROOT, name)} on sys.path; {cure}, start it in another folder, or rename that one"
    )
