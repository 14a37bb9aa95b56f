"""Tests of the lease on a mission: in a directory, on S3 that obeys If-None-Match and on S3 that ignores it."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from blocks.errors import ObjectExists, ObjectMissing, StoreDenied, StoreUnavailable
from blocks.local_store import LocalStore
from blocks.s3_store import S3Store
from blocks.store import ObjectInfo, Store
from configs.stores import S3Location, S3Options
from tasks.records.errors import MissionBusy, Superseded
from tasks.records.jsonl import parse, to_line
from tasks.runs.keys import lock_key
from tasks.runs.lease import Lease
from tasks.runs.lock_owner import Lock, claim
from tests.builders import FOLDER
from tests.servers import S3Server

OF = "mission 挡风板安装检查"
KEY = lock_key(FOLDER)
REPOSITORY = Path(__file__).parents[3]
ELSEWHERE = Lock(token="theirs", machine="gpu-7/boot/pid:[1]", pid=4711, started=1, beat=5, run="nightly-3")
HOLD = f"""
import sys, time
from blocks.local_store import LocalStore
from tasks.runs.lease import Lease
with Lease(LocalStore(sys.argv[1]), {FOLDER!r}, of={OF!r}, run="child", wait_seconds=0):
    sys.stdout.write("held\\n")
    sys.stdout.flush()
    time.sleep(60)
"""


@pytest.fixture(params=["local", "moto", "rclone"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Opens one and the same store anew at every call, of every kind in turn."""
    if request.param == "local":
        return lambda: LocalStore(tmp_path / "root")
    server: S3Server = request.getfixturevalue(f"{request.param}_server")
    location = S3Location(server.new_bucket(), f"测试/{uuid.uuid4().hex}")
    options = S3Options(endpoint_url=server.endpoint, max_attempts=3, read_timeout=30)
    return lambda: S3Store(location, options, server.credentials())


@pytest.fixture
def local(tmp_path: Path) -> LocalStore:
    """An empty store in a directory."""
    return LocalStore(tmp_path / "root")


def lease(
    store: Store, wait: float = 0.0, seconds: float = 1.0, run: str = "ours", told: list[str] | None = None
) -> Lease:
    """A short lease."""
    on_wait = None if told is None else told.append
    return Lease(store, FOLDER, of=OF, run=run, wait_seconds=wait, lease_seconds=seconds, on_wait=on_wait)


def lock_in(store: Store) -> Lock:
    """The lock that is in the store now."""
    return parse(Lock, store.read(KEY), KEY)


def of_a_dead_process() -> Lock:
    """The lock of a run of this machine that was killed."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return claim("theirs", "killed").model_copy(update={"pid": process.pid, "beat": 9})


@contextmanager
def beating(store: Store, every: float) -> Iterator[None]:
    """A holder on another machine that goes on beating."""
    stop = threading.Event()

    def beat() -> None:
        for number in itertools.count(ELSEWHERE.beat):
            store.write(KEY, to_line(ELSEWHERE.model_copy(update={"beat": number})))
            if stop.wait(every):
                return

    store.write(KEY, to_line(ELSEWHERE))
    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_of_many_at_most_one_is_in_and_all_get_in(opener: Callable[[], Store]) -> None:
    inside: list[int] = []
    most: list[int] = []
    opener().write(KEY, to_line(of_a_dead_process()))  # all find it dead at one moment
    together = threading.Barrier(5)

    def enter(number: int) -> int:
        together.wait()
        with lease(opener(), wait=60, seconds=2.0, run=f"run {number}") as held:
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.05)
            held.confirm()
            most.append(len(inside))
            inside.remove(number)
        return number

    with ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(enter, range(5))) == list(range(5))
    assert max(most) == 1
    assert opener().stat(KEY) is None, "nobody's lock stays"


def test_while_held_another_is_refused_by_name(opener: Callable[[], Store]) -> None:
    store = opener()
    with lease(store, run="nightly-3") as held:
        before = lock_in(store)
        with pytest.raises(MissionBusy) as caught, lease(opener()):
            pytest.fail("two are in")
        held.confirm()
        assert lock_in(store).beat > before.beat
        assert not held.lost
    host = re.escape(os.uname().nodename)
    assert re.search(rf"{OF} is held by nightly-3 \(process {os.getpid()} on {host}\)", str(caught.value))
    assert store.uri_of(KEY) in str(caught.value)
    assert "raise publishing.wait_seconds" in str(caught.value)
    assert not caught.value.retryable
    assert store.stat(KEY) is None


def test_a_silent_holder_elsewhere_is_taken_over_after_the_lease(opener: Callable[[], Store]) -> None:
    store, told = opener(), list[str]()
    store.write(KEY, to_line(ELSEWHERE))
    began = time.monotonic()
    with lease(store, wait=20, seconds=0.4, told=told):
        assert 0.4 <= time.monotonic() - began < 5.0
        assert lock_in(store).run == "ours"
    assert len(told) == 1
    assert "nightly-3 (process 4711 on gpu-7); waiting up to" in told[0]


def test_a_beating_holder_elsewhere_is_left_alone(opener: Callable[[], Store]) -> None:
    with beating(opener(), every=0.1), pytest.raises(MissionBusy), lease(opener(), wait=0.9, seconds=0.5):
        pytest.fail("a living holder was pushed out")


def test_a_holder_of_this_machine_whose_process_is_gone_is_dead_at_once(local: LocalStore) -> None:
    local.write(KEY, to_line(of_a_dead_process()))
    with lease(local, wait=0, seconds=30.0):
        assert lock_in(local).run == "ours"


def test_a_killed_run_is_followed_without_waiting(local: LocalStore) -> None:
    command = [sys.executable, "-c", HOLD, local.uri]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"held\n"
            with pytest.raises(MissionBusy, match=f"child \\(process {child.pid} on"), lease(local):
                pytest.fail("two are in")
        finally:
            child.send_signal(signal.SIGKILL)
        began = time.monotonic()
        with lease(local, wait=10, seconds=30.0):
            assert time.monotonic() - began < 2.0


def test_a_lost_lease_publishes_nothing_and_leaves_the_new_lock(opener: Callable[[], Store]) -> None:
    store = opener()
    with lease(store) as held:
        store.write(KEY, to_line(ELSEWHERE))
        with pytest.raises(Superseded, match=r"held by nightly-3 \(process 4711 on gpu-7\)") as caught:
            held.confirm()
        assert held.lost
    assert store.uri_of(KEY) in str(caught.value)
    assert lock_in(store) == ELSEWHERE


def test_leaving_deletes_no_lock_of_another(local: LocalStore) -> None:
    with lease(local, seconds=10.0):
        local.write(KEY, to_line(ELSEWHERE))
    assert lock_in(local) == ELSEWHERE


def test_the_heartbeat_notices_a_lost_lease_by_itself(local: LocalStore) -> None:
    with lease(local) as held:
        assert not held.lost
        local.write(KEY, to_line(ELSEWHERE))
        time.sleep(0.6)
        assert held.lost
        local.delete(KEY)
        with pytest.raises(Superseded):
            held.confirm()  # once lost is lost, whatever the newer run did since


def test_a_lock_that_was_deleted_is_lost(opener: Callable[[], Store]) -> None:
    store = opener()
    with lease(store, seconds=8.0) as held:
        store.delete(KEY)
        with pytest.raises(Superseded, match="the lock is gone"):
            held.confirm()
    assert store.stat(KEY) is None


def test_a_watch_in_mid_run_sees_a_lock_or_a_store_that_is_gone(opener: Callable[[], Store]) -> None:
    store = opener()
    with lease(store, seconds=8.0) as held:
        held.watch()
        store.write(KEY, to_line(lock_in(store))[:40])
        held.watch()  # half a lock is the holder's to mend
        store.delete(KEY)
        for _ in range(2):
            with pytest.raises(Superseded, match="was the store emptied, unmounted or restored"):
                held.watch()
        with pytest.raises(Superseded):
            held.confirm()


def test_a_watch_says_that_the_whole_store_is_gone(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "root", make=False)
    store.check(write=True)
    with lease(store, seconds=8.0) as held:
        shutil.rmtree(tmp_path / "root")
        with pytest.raises(ObjectMissing, match=str(tmp_path / "root")):
            held.watch()
    assert not (tmp_path / "root").exists()


def test_a_watch_leaves_a_store_that_is_away_to_whoever_needs_it(tmp_path: Path) -> None:
    store = Unruly(tmp_path)
    with lease(store, seconds=8.0) as held:
        store.down = StoreUnavailable
        held.watch()
        store.down = None
        held.watch()
        held.confirm()


def test_half_an_object_is_taken_over_only_after_the_lease(opener: Callable[[], Store]) -> None:
    store, told = opener(), list[str]()
    store.write(KEY, to_line(ELSEWHERE)[:40])
    with pytest.raises(MissionBusy, match="a run whose lock cannot be read"), lease(store):
        pytest.fail("broken was believed at once")
    began = time.monotonic()
    with lease(store, wait=20, seconds=0.4, told=told):
        assert time.monotonic() - began >= 0.4
        assert lock_in(store).run == "ours"
    assert "a run whose lock cannot be read" in told[0]


def test_a_holder_mends_half_an_object(local: LocalStore) -> None:
    with lease(local) as held:
        local.write(KEY, to_line(lock_in(local))[:40])
        time.sleep(0.7)
        assert lock_in(local).run == "ours"
        held.confirm()


def test_a_wall_clock_that_jumps_does_nothing(local: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    jumps = itertools.cycle([0.0, 4e9, 1e9])
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    with lease(local, seconds=0.6) as held:
        with pytest.raises(MissionBusy), lease(local, wait=1.1, seconds=0.6):
            pytest.fail("a living holder was pushed out")
        held.confirm()


def test_waiting_is_told_at_once_and_then_once_a_minute(local: LocalStore) -> None:
    now, told, beats = 0.0, list[str](), itertools.count(6)

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        local.write(KEY, to_line(ELSEWHERE.model_copy(update={"beat": next(beats)})))

    sleep(0)
    waiting = Lease(
        local, FOLDER, of=OF, run="ours", wait_seconds=150, on_wait=told.append, clock=lambda: now, sleep=sleep
    )
    with pytest.raises(MissionBusy, match="we waited 150 s"), waiting:
        pytest.fail("a living holder was pushed out")
    left = [int(re.findall(r"up to (\d+) s", line)[0]) for line in told]
    assert left[0] == 150
    assert 88 <= left[1] <= 90
    assert 26 <= left[2] <= 30
    assert len(left) == 3


class Unruly(LocalStore):
    """A store that ignores replace=False, like some servers, and does odd things when told to."""

    before_claim: Callable[[], None] | None = None
    down: type[StoreUnavailable] | type[StoreDenied] | None = None
    answer: type[ObjectExists] | type[StoreUnavailable] | None = None

    def read(self, key: str) -> bytes:
        """As a store does, unless it is down."""
        self._answer(key)
        return super().read(key)

    def write(self, key: str, data: bytes, *, replace: bool = True) -> ObjectInfo:
        """As a server does that ignores the question."""
        self._answer(key)
        if self.before_claim is not None and b'"beat": 0' in data:
            self.before_claim()
        info = super().write(key, data)
        if self.answer is not None and not replace:
            raise self.answer("the first answer was lost", uri=self.uri_of(key))
        return info

    def _answer(self, key: str) -> None:
        if self.down is not None:
            raise self.down("it does not answer", uri=self.uri_of(key))


def test_a_claim_that_comes_late_does_not_push_the_holder_out(local: LocalStore) -> None:
    held = Lease(local, FOLDER, of=OF, run="first", wait_seconds=0, lease_seconds=5.0, sleep=lambda _: None)
    late = Unruly(local.uri)

    def hold_meanwhile() -> None:
        late.before_claim = None
        held.__enter__()
        time.sleep(0.22)  # longer than a claim may take, and so short that the wait must come from the lease

    late.before_claim = hold_meanwhile
    with pytest.raises(MissionBusy, match="held by first"), lease(late, seconds=5.0):
        pytest.fail("two are in")
    held.confirm()
    held.__exit__(None, None, None)
    assert local.stat(KEY) is None


@pytest.mark.parametrize("answer", [ObjectExists, StoreUnavailable])
def test_a_claim_whose_answer_was_lost_is_ours(
    tmp_path: Path, answer: type[ObjectExists] | type[StoreUnavailable]
) -> None:
    store = Unruly(tmp_path)
    store.answer = answer
    began = time.monotonic()
    with lease(store, wait=30, seconds=20.0) as held:
        held.confirm()
        assert time.monotonic() - began < 5.0


def test_a_silent_store_is_borne_and_the_lease_lives_when_it_is_back(tmp_path: Path) -> None:
    store = Unruly(tmp_path)
    with lease(store, seconds=0.6) as held:
        store.down = StoreUnavailable
        time.sleep(0.4)
        assert not held.lost
        time.sleep(0.5)
        assert held.lost, "another may have taken it"
        with pytest.raises(StoreUnavailable):
            held.confirm()
        store.down = None
        held.confirm()
        assert not held.lost
    assert store.stat(KEY) is None


@pytest.mark.parametrize(("wait", "error"), [(0.0, StoreUnavailable), (9.0, StoreUnavailable), (9.0, StoreDenied)])
def test_entering_bears_a_silent_store_for_a_lease_and_a_refusal_not_at_all(
    tmp_path: Path, wait: float, error: type[StoreUnavailable] | type[StoreDenied]
) -> None:
    store = Unruly(tmp_path)
    store.down = error
    began = time.monotonic()
    with pytest.raises(error), lease(store, wait=wait, seconds=0.5):
        pytest.fail("the store does not answer")
    assert (time.monotonic() - began >= 0.5) == (wait > 0 and error is StoreUnavailable)


def test_a_store_that_comes_back_is_entered(tmp_path: Path) -> None:
    store = Unruly(tmp_path)
    store.down = StoreUnavailable
    timer = threading.Timer(0.3, lambda: setattr(store, "down", None))
    timer.start()
    with lease(store, wait=9) as held:
        held.confirm()
    timer.join()


def test_the_error_of_the_block_comes_out_even_if_the_store_is_away(tmp_path: Path) -> None:
    store = Unruly(tmp_path)

    def fail() -> None:
        store.down = StoreDenied
        raise LookupError("of the block")

    with pytest.raises(LookupError, match="of the block"), lease(store):
        fail()
    store.down = None
    assert lock_in(store).run == "ours", "it runs out by itself"


def test_an_error_in_the_block_lets_the_mission_go(local: LocalStore) -> None:
    with pytest.raises(ZeroDivisionError), lease(local):
        _ = 1 / 0
    assert local.stat(KEY) is None


def test_one_object_serves_again(local: LocalStore) -> None:
    one = lease(local)
    tokens = set()
    for _ in range(2):
        with one:
            tokens.add(lock_in(local).token)
    assert len(tokens) == 2
