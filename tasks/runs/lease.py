"""A lease on a folder of the store, one object in it: of two runs at one moment one works, the other waits or ends.

Knows the store and a monotonic clock; knows no run and compares no wall clocks. What is published is right without it:
it saves double work and keeps `latest.json` moving forward.

Some S3 servers ignore If-None-Match, so a conditional write alone proves nothing. The lock is taken by Fischer's timed
mutual exclusion (Fischer 1985, as Lamport describes it in "A fast mutual exclusion algorithm", 1987): see it free,
write, wait longer than anybody takes from seeing to having written, and hold it only if what was written still stands.
Where that time was exceeded, a claim may have landed on a lock that is held. So a claim (beat 0) is no heartbeat yet:
the holder writes itself back at its next beat, and the late claimant waits for that before it looks.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from blocks.errors import ObjectCorrupt, ObjectExists, ObjectMissing, StoreError, StoreGivenUp
from blocks.store import Store
from tasks.records.errors import MissionBusy, RecordError, Superseded
from tasks.records.jsonl import parse, to_line
from tasks.runs.keys import lock_key
from tasks.runs.lock_owner import Lock, Watch, claim, is_gone

_SETTLE, _SETTLE_SHARE = 0.2, 1 / 60
"""Seconds that a claim settles at least, and the share of the lease if that is longer."""
_AGAIN = 0.1
"""Seconds after which an object that is missing or unreadable is looked at again before that is believed."""
_TELL = 60.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """One look: when it began, the bytes (None if there is no lock), and the lock in them if they are one."""

    at: float
    data: bytes | None
    lock: Lock | None


class Lease:
    """Holds a folder of the store while its `with` block runs.

    `of` says for people what is held, such as `mission X`, and `run` whose run it is. Entering waits `wait_seconds` at
    most (0: not at all) for another holder and then raises MissionBusy; it raises StoreError when the store refuses, or
    does not answer for `lease_seconds`. A holder that has not beaten for `lease_seconds` while we watched is dead; one
    of this machine whose process is gone is dead at once. All runs of a folder must have the same `lease_seconds`.
    `on_wait` gets a line when waiting begins and then at most once a minute.
    """

    def __init__(
        self,
        store: Store,
        folder: str,
        *,
        of: str,
        run: str,
        wait_seconds: float,
        lease_seconds: float = 30.0,
        on_wait: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store, self._of, self._key = store, of, lock_key(folder)
        self._run, self._wait_seconds, self._lease_seconds = run, wait_seconds, lease_seconds
        self._on_wait, self._clock, self._sleep = on_wait, clock, sleep
        self._beat_seconds = lease_seconds / 4
        self._one_beat = threading.Lock()

    def __enter__(self) -> Lease:
        self._mine = claim(secrets.token_hex(16), self._run)
        self._beaten = self._clock()
        self._taken: str | None = None
        self._stop = threading.Event()
        self._acquire()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        # A beat that hangs in the store could write the lock again after we deleted it; then it is left to run out.
        self._thread.join(self._beat_seconds)
        if self._thread.is_alive() or self.lost:
            return
        with suppress(Exception):
            lock = self._look().lock
            if lock is not None and lock.token == self._mine.token:
                self._store.delete(self._key)

    @property
    def lost(self) -> bool:
        """Whether the folder is another's, or may be: no heartbeat reached the store for `lease_seconds`.

        The second ends when a heartbeat arrives and finds the lock still ours.
        """
        return self._taken is not None or self._clock() - self._beaten > self._lease_seconds

    def confirm(self) -> None:
        """Make sure, right before publishing, that the folder is still ours, by one more heartbeat.

        Raises Superseded if it is not, StoreError if the store does not say.
        """
        if not self._beat(holding=True):
            raise self._superseded()

    def watch(self) -> None:
        """Make sure in mid-run, by one look, that the folder is still ours and that its store is still there.

        Raises Superseded, or ObjectMissing where the whole store is gone. A store that does not answer just now is left
        to whoever needs it.
        """
        with suppress(StoreError), self._one_beat:
            if self._taken is None:
                self._is_kept(self._look())
        if self._taken is not None:
            self._store.check()
            raise self._superseded()

    @property
    def _uri(self) -> str:
        return self._store.uri_of(self._key)

    def _acquire(self) -> None:
        watch = Watch(most=self._beat_seconds)
        answered = self._clock()
        deadline, tell_at = answered + self._wait_seconds, answered
        while True:
            try:
                seen = self._look()
                if self._is_free(seen, watch):
                    if self._claim(seen):
                        return
                    continue
            except StoreError as error:
                now = self._clock()
                passing = error.retryable or isinstance(error, StoreGivenUp)
                if not passing or now >= deadline or now - answered >= self._lease_seconds:
                    raise
            else:
                now = answered = self._clock()
                if now >= deadline:
                    raise MissionBusy(self._busy(seen))
                if self._on_wait is not None and now >= tell_at:
                    self._on_wait(f"{self._of} is held by {_who(seen)}; waiting up to {deadline - now:.0f} s more")
                    tell_at = now + _TELL
            # Uneven, so that many who wait do not all look at the same moment.
            self._sleep(min(min(1.0, self._lease_seconds / 10) * random.uniform(0.5, 1.0), deadline - now))

    def _is_free(self, seen: _Seen, watch: Watch) -> bool:
        if seen.data is None:
            return True
        quiet = watch.look(seen.data, seen.at)
        if seen.lock is not None and (seen.lock.token == self._mine.token or is_gone(seen.lock)):
            return True  # our own: a claim whose answer was lost
        return quiet >= self._lease_seconds

    def _claim(self, seen: _Seen) -> bool:
        # That it exists can also mean that our own first try arrived: what is read back decides.
        with suppress(ObjectExists):
            self._store.write(self._key, to_line(self._mine), replace=seen.data is not None)
        took = self._clock() - seen.at
        settle = max(_SETTLE, self._lease_seconds * _SETTLE_SHARE)
        if took > settle:
            settle = max(settle, 2 * self._beat_seconds)
        self._sleep(max(settle, 4 * took))
        return self._beat(holding=False)

    def _keep(self) -> None:
        while not self._stop.wait(self._beat_seconds):
            # The store may be back at the next beat; how long it was silent is what `lost` looks at.
            with suppress(StoreError):
                if not self._beat(holding=True):
                    return

    def _beat(self, *, holding: bool) -> bool:
        """Write the next heartbeat if the lock is ours, and say whether it is. Raises StoreError."""
        with self._one_beat:
            if self._taken is not None:
                return False
            seen = self._look()
            if not (self._is_kept(seen) if holding else self._is_ours(seen, holding=False)):
                return False
            began = self._clock()
            beat = self._mine.model_copy(update={"beat": self._mine.beat + 1})
            self._store.write(self._key, to_line(beat))
            self._mine, self._beaten = beat, began
            return True

    def _is_kept(self, seen: _Seen) -> bool:
        """Whether what we hold is still ours; what became of it is noted."""
        kept = self._is_ours(seen, holding=True)
        if not kept:
            gone = "the lock is gone (was the store emptied, unmounted or restored?)"
            self._taken = gone if seen.data is None else f"it is held by {_who(seen)}"
        return kept

    def _is_ours(self, seen: _Seen, *, holding: bool) -> bool:
        if seen.lock is not None and seen.lock.token == self._mine.token:
            return True
        # A holder writes itself back over a late claim, and over half an object that a broken write left.
        return holding and seen.data is not None and (seen.lock is None or seen.lock.beat == 0)

    def _look(self) -> _Seen:
        seen = self._read()
        if seen.lock is not None:
            return seen
        self._sleep(_AGAIN)
        return self._read()

    def _read(self) -> _Seen:
        at = self._clock()
        try:
            data = self._store.read(self._key)
        except ObjectMissing:
            return _Seen(at, None, None)
        except ObjectCorrupt:
            return _Seen(at, b"", None)
        with suppress(RecordError):
            return _Seen(at, data, parse(Lock, data, self._uri))
        return _Seen(at, data, None)

    def _superseded(self) -> Superseded:
        return Superseded(
            f"{self._of} was taken over while this run did not answer: {self._taken} "
            f"[{self._uri}]; this run publishes nothing: let the newer run end, or run again"
        )

    def _busy(self, seen: _Seen) -> str:
        return (
            f"{self._of} is held by {_who(seen)} [{self._uri}], and we waited {self._wait_seconds:g} s: "
            f"wait until it ends, stop that run, or raise publishing.wait_seconds (to more than "
            f"{self._lease_seconds:g} if that run was killed on another machine)"
        )


def _who(seen: _Seen) -> str:
    return "a run whose lock cannot be read" if seen.lock is None else seen.lock.who
