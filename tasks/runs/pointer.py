"""A mission's pointer, `latest.json`: it moves only forward, and is made again when it is damaged. Knows no step.

Each move is first an object of its own, `pointers/<sequence>.json`, and then `latest.json`. Two moves of one sequence
cannot both be where the server obeys `If-None-Match`; and whoever overwrites a newer `latest.json`, because it was
frozen between its look and its write and the server ignores `If-Match`, finds the newer move there and writes it back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from blocks.errors import BadKey, ObjectCorrupt, ObjectExists, ObjectMissing
from blocks.store import ObjectInfo, Store
from tasks.records.errors import OutputError, RecordError, Superseded
from tasks.records.jsonl import parse, to_line
from tasks.records.stage_a import Latest
from tasks.runs.check import read_manifest
from tasks.runs.keys import MANIFEST, latest_key, pointer_key, pointers_folder, run_folder, stage_a_folder
from tasks.runs.publish import Published

_UNREADABLE = (ObjectMissing, ObjectCorrupt, RecordError)


@dataclass(frozen=True, slots=True)
class Pointer:
    """What a mission's newest run is (None before the first one), the bytes of `latest.json` (None if it is not there),
    and, if these say something else, what is wrong with them."""

    latest: Latest | None
    data: bytes | None
    fault: str | None = None


def look(store: Store, mission: str) -> Pointer:
    """The newest run of a mission, also when `latest.json` is damaged, gone, or was moved back. Raises StoreError.

    What it should say is known from the moves before. A store of an earlier release has none: where `latest.json` is
    damaged there, the run whose manifest was written last counts.
    """
    key = latest_key(mission)
    data = _bytes(store, key)
    uri, told, moved = store.uri_of(key), _read(store, key), _newest_move(store, mission)
    newest, fault = told, "is gone" if data is None else "is damaged" if told is None else None
    if moved is not None and _is_newer(store, moved, told):
        newest = moved
        fault = fault or f"does not say that run {moved.run_id} is the newest"
    elif data is None:
        return Pointer(None, None)  # nothing was ever pointed to
    elif told is None and (newest := _newest_run(store, mission)) is None:
        return Pointer(None, data, f"{uri} {fault}, and there is no run")
    assert newest is not None
    if (right := _digest(store, newest)) not in (None, newest.sha256):
        newest = newest.model_copy(update={"sha256": right})
        fault = fault or "has another sha256 than the manifest that it names"
    return Pointer(newest, data, None if fault is None or newest == told else f"{uri} {fault}")


def current(store: Store, mission: str) -> Latest | None:
    """The pointer to a mission's newest run, or None. Raises StoreError."""
    return look(store, mission).latest


def point_to(
    store: Store, published: Published, before: Latest | None, confirm: Callable[[], None] = lambda: None
) -> Latest:
    """Make `latest.json` point to a run; nothing changes if it does already.

    `before` is what it was when this run began to look at its inputs. `confirm` is called right before it moves and may
    raise. Raises Superseded if it has moved since: then another run knows more. Raises StoreError.
    """
    mission = published.manifest.mission
    now = look(store, mission)
    if now.latest is not None and now.latest.run_id == published.manifest.run_id:
        _say(store, mission, now.latest, now.data, published)
        return now.latest
    if now.latest != before:
        raise _superseded(store, mission, now.latest, published)
    latest = Latest(
        run_id=published.manifest.run_id,
        manifest=published.key,
        sha256=published.sha256,
        sequence=before.sequence + 1 if before else 1,
        published_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    confirm()
    latest = _move(store, mission, latest, published)
    _say(store, mission, latest, now.data, published)
    return latest


def _move(store: Store, mission: str, latest: Latest, published: Published) -> Latest:
    key = pointer_key(mission, latest.sequence)
    try:
        store.write(key, to_line(latest), replace=False)
    except ObjectExists:
        there = _read(store, key)
        if there is None:
            store.write(key, to_line(latest))  # half a write that was broken off
        elif there.run_id != latest.run_id:
            raise _superseded(store, mission, there, published) from None
        else:
            return there
    return latest


def _say(store: Store, mission: str, latest: Latest, before: bytes | None, published: Published) -> None:
    """Have `latest.json` say what the last move was, and not an older one."""
    key = latest_key(mission)
    if before == to_line(latest):
        return
    with suppress(ObjectExists):  # somebody wrote it meanwhile: what it is now decides
        store.swap(key, to_line(latest), before)
    now = look(store, mission)
    if now.latest is not None and now.latest != latest:
        if now.fault is not None:
            with suppress(ObjectExists):
                store.swap(key, to_line(now.latest), now.data)
        raise _superseded(store, mission, now.latest, published)


def _superseded(store: Store, mission: str, newer: Latest | None, published: Published) -> Superseded:
    return Superseded(
        f"{store.uri_of(latest_key(mission))} moved to run {newer.run_id if newer else None} while this run worked; "
        f"that run stays the newest, and this one is at {published.uri}; run again if it should be the newest"
    )


def _newest_move(store: Store, mission: str) -> Latest | None:
    keys = sorted((info.key for info in store.list(pointers_folder(mission) + "/")), reverse=True)
    return next((move for move in (_read(store, key) for key in keys) if move is not None), None)


def _newest_run(store: Store, mission: str) -> Latest | None:
    """What a pointer to the run whose manifest was written last would say; one that does not check out is no run."""
    found = sorted(_manifests(store, mission), key=lambda info: (info.modified, info.key), reverse=True)
    for info in found:
        with suppress(ObjectMissing, ObjectCorrupt, OutputError):
            manifest, digest = read_manifest(store, info.key)
            written = datetime.fromtimestamp(info.modified, UTC).isoformat(timespec="seconds")
            return Latest(
                run_id=manifest.run_id, manifest=info.key, sha256=digest, sequence=len(found), published_at=written
            )
    return None


def _is_newer(store: Store, moved: Latest, told: Latest | None) -> bool:
    """Whether a move is what `latest.json` should say. Of two with one sequence, which a server that ignores
    conditions lets pass, that in `latest.json` counts, if it names a run."""
    if told is None or moved.sequence != told.sequence:
        return told is None or moved.sequence > told.sequence
    return moved != told and _digest(store, told) != told.sha256


def _manifests(store: Store, mission: str) -> Iterator[ObjectInfo]:
    runs = run_folder(stage_a_folder(mission), "")
    return (info for info in store.list(runs) if info.key.endswith(f"/{MANIFEST}"))


def _digest(store: Store, latest: Latest) -> str | None:
    """The sha256 of the manifest that a pointer names; None if that is missing or damaged itself: it proves nothing."""
    with suppress(ObjectMissing, ObjectCorrupt, BadKey, OutputError):
        manifest, digest = read_manifest(store, latest.manifest)
        return digest if manifest.run_id == latest.run_id else None
    return None


def _bytes(store: Store, key: str) -> bytes | None:
    try:
        return store.read(key)
    except ObjectMissing:
        return None
    except ObjectCorrupt:
        return b""


def _read(store: Store, key: str) -> Latest | None:
    with suppress(*_UNREADABLE):
        return parse(Latest, store.read(key), store.uri_of(key))
    return None
