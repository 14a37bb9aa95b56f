"""Work over several devices, with real Prefect tasks."""

from __future__ import annotations

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate

from configs.errors import ConfigError
from flows.devices import holding_slots, over_queues
from tasks.common.queues import PeekableQueue, SharedQueue

pytestmark = pytest.mark.usefixtures("prefect_harness")


class Yard:
    """Which devices are busy, and what each was given."""

    def __init__(self) -> None:
        self.busy: set[str] = set()
        self.most = 0
        self.done: list[tuple[int, str]] = []
        self.lock = threading.Lock()


YARD = Yard()


class Device(PeekableQueue[tuple[int, str]]):
    """A queue with a name."""

    def __init__(self, name: str, given: SharedQueue[tuple[int, str]]) -> None:
        super().__init__(given)
        self.name = name


@task(cache_policy=NO_CACHE)
def work(number: int, item: str, queue: Device) -> str:
    """Holds a device for a moment, and looks at what is next."""
    device = queue.name
    queue.peek(0)
    with YARD.lock:
        assert device not in YARD.busy
        YARD.busy.add(device)
        YARD.most = max(YARD.most, len(YARD.busy))
    time.sleep(0.3 if item == "slow" else 0.05)
    with YARD.lock:
        YARD.busy.remove(device)
        YARD.done.append((number, device))
    if item == "bad":
        raise ValueError(f"piece {number}")
    return f"{item} {number}"


@pytest.fixture(autouse=True)
def _fresh() -> None:
    YARD.most = 0
    YARD.done.clear()


@flow
def run(devices: list[str], items: list[str]) -> list[str]:
    """All items over the devices."""
    given = SharedQueue(enumerate(items, start=1))
    return over_queues([Device(name, given) for name in devices], work, work.submit)


def test_each_device_has_one_piece_at_a_time_and_results_keep_their_order() -> None:
    items = ["slow", *["quick"] * 6]
    assert run(["a", "b"], items) == [f"{item} {number}" for number, item in enumerate(items, start=1)]
    assert YARD.most == 2
    slow = dict(YARD.done)[1]
    assert [device for _, device in YARD.done].count(slow) < 4  # the other device took more of them


def test_one_device_works_in_order() -> None:
    assert run(["a"], ["x", "y"]) == ["x 1", "y 2"]
    assert YARD.done == [(1, "a"), (2, "a")]


@pytest.mark.parametrize("devices", [["a"], ["a", "b"]])
def test_a_piece_that_fails_ends_the_work(devices: list[str]) -> None:
    with pytest.raises(ValueError, match="piece 2"):
        run(devices, ["x", "bad", *["x"] * 20])
    assert not YARD.busy
    assert len(YARD.done) < 8


def test_the_server_is_not_asked_for_every_earlier_piece_at_every_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ended here is known here: a hundred shards were ten thousand questions."""
    asked: list[str] = []
    really_send = httpx.Client.send

    def send(self: httpx.Client, request: httpx.Request, *args: Any, **options: Any) -> httpx.Response:
        if request.method == "GET" and "/task_runs/" in request.url.path:
            asked.append(request.url.path)
        return really_send(self, request, *args, **options)

    monkeypatch.setattr(httpx.Client, "send", send)
    assert len(run(["a", "b"], ["x"] * 24)) == 24
    assert len(asked) <= 24


def test_nothing_to_do_is_nothing() -> None:
    assert run(["a", "b"], []) == []


@flow
def hold(name: str, limits: list[str]) -> None:
    """Says when it is inside."""
    with holding_slots(limits):
        YARD.done.append((0, f"{name} in"))
        time.sleep(0.5)
        YARD.done.append((0, f"{name} out"))


def test_of_two_runs_with_one_slot_only_one_is_inside() -> None:
    limits = [f"gpu-{uuid.uuid4().hex[:8]}" for _ in range(2)]
    with get_client(sync_client=True) as client:
        for name in limits:
            client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=1))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda given: hold(*given), [("a", limits), ("b", limits[:1])]))
    said = [word for _, word in YARD.done]
    assert sorted(said) == ["a in", "a out", "b in", "b out"]
    assert said[0][0] == said[1][0]
    assert said[2][0] == said[3][0]


def test_a_limit_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"there is no concurrency limit gpu-nobody \(prefect gcl create"):
        hold("a", ["gpu-nobody"])
    assert not YARD.done
