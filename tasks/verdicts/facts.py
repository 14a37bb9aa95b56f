"""What a mission's checks say of the summaries, without any model. They never decide: they agree, or a person looks.

    holds      certain: it is said of everything that it must be said of
    fails      certain: nothing of the kind in any photo, or the opposite is said of one
    unknown    all else: nothing is said of it, a photo may show it or not, a photo cannot be read

Guidance is not known here. A rule that asks for more, or for less, than the mission's file can make the facts disagree
with a judge who follows it: then a person looks, and no verdict changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum

from configs.missions import Check, Condition
from tasks.records.grammar import read
from tasks.records.verdicts import FactsReading, Verdict
from tasks.verdicts.vocabulary import Thing, Trait, core, thing_of, traits_of


class Truth(IntEnum):
    """What is known of a check, or of one thing. The least of several is what is known of all of them together."""

    FAILS = 0
    UNKNOWN = 1
    HOLDS = 2


Photo = tuple[Thing, ...]


def facts(checks: Sequence[Check], summaries: Mapping[str, str]) -> FactsReading:
    """通过 when all checks hold, 不通过 when one fails for certain, else null. `failing` are the names of those that
    fail. Without a check, or a photo that shows anything, nothing is known."""
    readings = [read(text).summary for text in summaries.values()]
    photos = [tuple(map(thing_of, summary.entries)) for summary in readings if summary is not None]
    if not checks or not any(photos):
        return FactsReading(verdict=None)
    unread = len(photos) < len(readings)
    found = {check.name: _truth(check, photos, unread) for check in checks}
    least = min(found.values())
    verdict = {Truth.HOLDS: Verdict.PASS, Truth.FAILS: Verdict.FAIL}.get(least)
    return FactsReading(verdict=verdict, failing=tuple(name for name, truth in found.items() if truth is Truth.FAILS))


def _truth(check: Check, photos: Sequence[Photo], unread: bool) -> Truth:
    if check.each_point and len(photos) + unread > 1:
        return Truth.UNKNOWN
    found = _anywhere(check, photos) if check.when is None else _where(check, check.when, photos)
    if not unread:
        return found
    # A photo that cannot be read may show what is missing, or be amiss; what the others show stays certain.
    certain = Truth.FAILS if check.exists is None else None if check.when else Truth.HOLDS
    return found if found is certain else Truth.UNKNOWN


def _anywhere(check: Check, photos: Iterable[Photo]) -> Truth:
    """A check without a condition, over all photos at once."""
    things = [thing for photo in photos for thing in photo]
    if check.exists is not None:
        return max((_is(thing, check.exists) for thing in things), default=Truth.FAILS)
    return _every(check.every or {}, things)


def _where(check: Check, when: Condition, photos: Sequence[Photo]) -> Truth:
    """A check of those photos of which the condition holds; of a photo that may be one, a failure is not certain."""
    truths = []
    for photo in photos:
        applies = _applies(when, photo)
        if check.exists is not None:
            found = _anywhere(check, [photo])
            if found is Truth.FAILS and _anywhere(check, photos) is not Truth.FAILS:
                found = Truth.UNKNOWN  # another photo shows one: of the same place, or of another
        else:
            found = _every(check.every or {}, photo, none=Truth.HOLDS)
        asked = applies is Truth.HOLDS or (applies is Truth.FAILS and check.every is not None and found is Truth.FAILS)
        if applies is not Truth.HOLDS and found is Truth.FAILS:
            found = Truth.UNKNOWN
        if asked or applies is Truth.UNKNOWN:
            truths.append(found)
    return min(truths, default=Truth.HOLDS)


def _applies(when: Condition, photo: Photo) -> Truth:
    """Whether a photo shows what must be together, and nothing of what must not be there."""
    truths = []
    for description, least in when.together.items():
        sure, perhaps = (
            sum(thing.count for thing in photo if _is(thing, description) >= known)
            for known in (Truth.HOLDS, Truth.UNKNOWN)
        )
        truths.append(Truth.HOLDS if sure >= least else Truth.UNKNOWN if perhaps >= least else Truth.FAILS)
    for description in when.without:
        shown = max((_is(thing, description) for thing in photo), default=Truth.FAILS)
        truths.append(Truth(Truth.HOLDS - shown))
    return min(truths)


def _every(wanted: Mapping[str, str], things: Iterable[Thing], none: Truth = Truth.UNKNOWN) -> Truth:
    """Whether all things of a description are so; `none` is what is known if there is no such thing."""
    things = list(things)
    truths = []
    for description, attribute in wanted.items():
        about = [(thing, known) for thing in things if (known := _is(thing, description)) is not Truth.FAILS]
        if not about:
            truths.append(none)
        for thing, known in about:
            found = _said(thing, attribute)
            truths.append(found if known is Truth.HOLDS or found is Truth.HOLDS else Truth.UNKNOWN)
    return min(truths)


def _is(thing: Thing, description: str) -> Truth:
    """Whether a thing is what a description says; unknown where its entry does not tell."""
    kind, *attributes = description.split("/")
    if not thing.is_a(core(kind)):
        return Truth.FAILS
    return min((_said(thing, attribute) for attribute in attributes), default=Truth.HOLDS)


def _said(thing: Thing, attribute: str) -> Truth:
    """Whether an attribute is said of a thing, or another one about the same."""
    return min(_holds(thing, trait) for trait in traits_of(attribute))


def _holds(thing: Thing, trait: Trait) -> Truth:
    if thing.has(trait):
        return Truth.HOLDS
    return Truth.FAILS if any(mine.about == trait.about for mine in thing.traits) else Truth.UNKNOWN
