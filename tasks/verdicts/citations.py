"""Whether the photos that a clause cites bear it out: by code, against their summaries. Knows no label and no model.

    uncited    no photo behind the clause
    wrong      a photo that is not there; a word, a count or an attribute that no cited photo bears out; a cited photo
               that bears out nothing; something said to be absent that a summary shows
    ok         all else: what claims nothing (`不需要`, `合格`) is no lie about a photo

All that is said of one object must stand in one entry. A count is never above that of one photo: two photos may show
the same BBU. That something is absent is said of all photos (`全部`), unless a cited summary says so itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.records.grammar import IRRELEVANT, Summary, read
from tasks.records.verdicts import Clause
from tasks.verdicts.answers import ALL
from tasks.verdicts.claims import Claim, claims_in
from tasks.verdicts.vocabulary import IRRELEVANT_WORD, STATES, Lexicon, Thing, Trait, lexicon_of, thing_of

_NOTHING = Thing("", frozenset({Trait(IRRELEVANT_WORD, "+")}), 1, IRRELEVANT)


@dataclass(frozen=True, slots=True)
class _Photo:
    """What a summary says: its things, and what its remark claims."""

    things: tuple[Thing, ...]
    remark: str | None = None
    claims: tuple[Claim, ...] = ()


def check_clauses(clauses: Sequence[Clause], summaries: Mapping[str, str]) -> tuple[Clause, ...]:
    """The clauses with `check` and `entries` set. `summaries` are a ticket's, by the names that the clauses cite
    (`image_1`). A summary that breaks its grammar bears nothing out. Never raises."""
    readings = {name: read(text).summary for name, text in summaries.items()}
    lexicon = lexicon_of(summary for summary in readings.values() if summary is not None)
    photos = {name: _photo(summary, lexicon) for name, summary in readings.items()}
    return tuple(_checked(clause, photos, lexicon) for clause in clauses)


def _photo(summary: Summary | None, lexicon: Lexicon) -> _Photo:
    if summary is None:
        return _Photo(())
    if summary.irrelevant:
        return _Photo((_NOTHING,))
    claims = claims_in(summary.remark, lexicon).claims if summary.remark else ()
    return _Photo(tuple(map(thing_of, summary.entries)), summary.remark, claims)


def _checked(clause: Clause, photos: Mapping[str, _Photo], lexicon: Lexicon) -> Clause:
    if not clause.cites:
        return clause.model_copy(update={"check": "uncited", "entries": ()})
    told = claims_in(clause.text, lexicon)
    whole = ALL in clause.cites
    cited = [name for name in clause.cites if name != ALL]
    right = all(name in photos for name in (*cited, *told.photos)) and (whole or set(told.photos) <= set(cited))
    chosen = list(photos.values()) if whole else [photos[name] for name in cited if name in photos]
    entries = _borne_out(told.claims, chosen, whole) if right else None
    return clause.model_copy(update={"check": "wrong" if entries is None else "ok", "entries": entries or ()})


def _borne_out(claims: Sequence[Claim], chosen: Sequence[_Photo], whole: bool) -> tuple[str, ...] | None:
    """The entries that bear the claims out, in the order of the photos; None if they do not."""
    shown = [claim for claim in claims if not (whole and claim.absent)]
    if any(_is_shown(claim, photo) for claim in claims if whole and claim.absent for photo in chosen):
        return None
    if any(_is_denied(claim, photo, whole) for claim in shown for photo in chosen):
        return None
    borne = {(claim, place): _bearers(claim, photo) for claim in shown for place, photo in enumerate(chosen)}
    if any(not any(borne[claim, place] for place in range(len(chosen))) for claim in shown):
        return None
    # A photo that shows the BBU alone does not bear out what is said of its screws.
    heaviest = max((claim.weight for claim in shown), default=0)
    telling = [claim for claim in shown if claim.weight == heaviest]
    of_each = not whole or not any(claim.absent or claim.exactly for claim in claims)
    if telling and of_each and any(not any(borne[c, place] for c in telling) for place in range(len(chosen))):
        return None
    return tuple(dict.fromkeys(text for place in range(len(chosen)) for claim in shown for text in borne[claim, place]))


def _matching(claim: Claim, photo: _Photo) -> list[Thing]:
    return [thing for thing in photo.things if thing.is_a(claim.kind) and all(map(thing.has, claim.traits))]


def _bearers(claim: Claim, photo: _Photo) -> tuple[str, ...]:
    """What of a photo's summary bears a claim out; nothing if it does not."""
    said = (f"备注: {photo.remark}",) if any(_says(mine, claim) for mine in photo.claims) else ()
    things = _matching(claim, photo)
    if claim.absent:
        return said or (() if things else _the_other_way(claim, photo))
    count = sum(thing.count for thing in things)
    enough = count == claim.count if claim.exactly else count >= claim.count
    return tuple(thing.text for thing in things) if things and enough else said


def _says(mine: Claim, claim: Claim) -> bool:
    """Whether a remark's claim is, or includes, the clause's."""
    if mine.kind != claim.kind or mine.absent != claim.absent or claim.exactly > mine.exactly:
        return False
    return mine.traits == claim.traits if claim.absent else mine.traits >= claim.traits and mine.count >= claim.count


def _the_other_way(claim: Claim, photo: _Photo) -> tuple[str, ...]:
    """Entries that show what is absent to be otherwise: no readable label, where all labels are unreadable."""
    states = {trait for trait in claim.traits if trait.about in STATES}
    place = claim.traits - states
    things = [thing for thing in photo.things if thing.is_a(claim.kind) and all(map(thing.has, place))]
    other = bool(states) and all(any(thing.has(trait.opposite) for trait in states) for thing in things)
    return tuple(thing.text for thing in things) if other else ()


def _is_shown(claim: Claim, photo: _Photo) -> bool:
    return bool(_matching(claim, photo)) or any(
        not mine.absent and mine.kind == claim.kind and mine.traits >= claim.traits for mine in photo.claims
    )


def _is_denied(claim: Claim, photo: _Photo, whole: bool) -> bool:
    """Whether a photo shows the opposite of what is said of every one, or more than the only ones."""
    if claim.absent:
        return False
    if whole and claim.exactly and sum(thing.count for thing in _matching(claim, photo)) > claim.count:
        return True
    if not claim.every:
        return False
    states = {trait for trait in claim.traits if trait.about in STATES}
    others = claim.traits - states
    return any(
        thing.is_a(claim.kind) and all(map(thing.has, others)) and any(thing.has(trait.opposite) for trait in states)
        for thing in photo.things
    )
