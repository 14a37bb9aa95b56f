"""How far a run is: counted where work is done, heard where it is shown. Knows no terminal and no Prefect."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Tick:
    """Photos done and photos in all, or whatever the `noun` names, `seconds` after the first was begun."""

    done: int
    total: int
    seconds: float
    noun: str = "photo"

    @property
    def rate(self) -> float:
        """Photos a second so far; 0 before the first."""
        return self.done / self.seconds if self.seconds > 0 else 0.0


Listener = Callable[[Tick], None]

_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("fieldcheck_progress", default=())


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let `listener` hear every tick of the work that is done inside the block."""
    token = _listeners.set((*_listeners.get(), listener))
    try:
        yield
    finally:
        _listeners.reset(token)


def throttled(listener: Listener, seconds: float) -> Listener:
    """`listener`, called at most once in so many seconds, and always for the last photo."""
    last = [float("-inf")]

    def hear(tick: Tick) -> None:
        now = time.monotonic()
        if tick.done >= tick.total or now - last[0] >= seconds:
            last[0] = now
            listener(tick)

    return hear


def counted(tell: Callable[[int], None], seconds: float) -> Callable[[], None]:
    """Counts its own calls, and tells the count at most once in so many seconds, never at once."""
    done, last = 0, time.monotonic()

    def count() -> None:
        nonlocal done, last
        done += 1
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            tell(done)

    return count


@contextmanager
def in_background(listener: Listener, patience: float = 5.0) -> Iterator[Listener]:
    """`listener`, called in a thread of its own and always with the newest tick: whoever works never waits for it.

    Leaving the block waits `patience` seconds at most until the last tick was heard.
    """
    woken = threading.Condition()
    waiting: list[Tick | None] = []

    def hear(tick: Tick) -> None:
        with woken:
            waiting[:] = [tick]
            woken.notify()

    def listen() -> None:
        while True:
            with woken:
                woken.wait_for(lambda: waiting)
                tick = waiting.pop(0)
            if tick is None:
                return
            listener(tick)

    thread = threading.Thread(target=copy_context().run, args=(listen,), name="progress", daemon=True)
    thread.start()
    try:
        yield hear
    finally:
        with woken:
            waiting.append(None)
            woken.notify()
        thread.join(patience)


@dataclass(slots=True)
class Progress:
    """Counts photos, or whatever the `noun` names, over all shards of a run and tells whoever listens."""

    total: int
    done: int = 0
    began: float | None = None
    noun: str = "photo"
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def start(self) -> None:
        """Start the clock, at the first call only: loading a model is not part of the rate."""
        if self.began is None:
            self.began = time.monotonic()

    @property
    def rate(self) -> float:
        """Photos a second so far; 0 before the first."""
        return self._tick().rate

    def _tick(self) -> Tick:
        seconds = 0.0 if self.began is None else time.monotonic() - self.began
        return Tick(self.done, self.total, seconds, self.noun)

    def advance(self, photos: int = 1) -> None:
        """Count photos as done."""
        with self._lock:
            self.done += photos
            tick = self._tick()
        for listener in _listeners.get():
            listener(tick)

    def attempt(self) -> Attempt:
        """A piece of the work that may fail as a whole."""
        return Attempt(self)


@dataclass(slots=True)
class Attempt:
    """Counts the photos of one piece of work, perhaps beside others."""

    progress: Progress
    done: int = 0

    def advance(self, photos: int = 1) -> None:
        """Count photos as done."""
        self.done += photos
        self.progress.advance(photos)

    def take_back(self) -> None:
        """The piece failed: its photos are not done."""
        if self.done:
            self.progress.advance(-self.done)
        self.done = 0
