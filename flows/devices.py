"""Shards over the devices of this machine: each takes the next one as soon as it is free."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from prefect import Task, get_run_logger
from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound
from prefect.futures import PrefectFuture
from prefect.utilities.annotations import opaque

from blocks.embedded_server import has_shared_server
from configs.errors import ConfigError, Fault
from configs.work import WorkConfig
from tasks.checkpoints.resolve import Checkpoint
from tasks.common.progress import Progress
from tasks.common.queues import PeekableQueue, SharedQueue
from tasks.engines.open import close_engines
from tasks.records.work import Shard
from tasks.runs.shards import Receipt
from tasks.work.device import DeviceShards
from tasks.work.plan import Plan
from tasks.work.task import infer_shard

L = TypeVar("L", bound=PeekableQueue[tuple[int, Any]])
R = TypeVar("R")
P = ParamSpec("P")

_LEASE_SECONDS = 60.0
"""How long a slot stays taken after the sudden death of its holder: Prefect takes no less."""


def infer_here(
    config: WorkConfig, plan: Plan, shards: Iterable[Shard], checkpoint: Checkpoint, progress: Progress
) -> list[Receipt]:
    """Ask about the shards on this machine's devices, with a slot of each of the run's concurrency limits.

    Raises EngineError or StoreError; ConfigError if there is no such limit.
    """
    infer = on_device(infer_shard)
    shared = SharedQueue(enumerate(shards, start=1))
    queues = [DeviceShards(device, shared) for device in config.fleet]
    with holding_slots(config.slots):
        try:
            return over_queues(
                queues,
                lambda n, shard, queue: infer(n, opaque(shard), plan, config, checkpoint, progress, queue),
                lambda n, shard, queue: infer.submit(n, opaque(shard), plan, config, checkpoint, progress, queue),
            )
        finally:
            for queue in queues:
                queue.close()


def on_device(inferring: Task[P, R]) -> Task[P, R]:
    """A task that runs a model, tagged `gpu` where others may share the server.

    For a tag the server looks for a limit of that name, a second or two on SQLite in which the engine stands still; a
    server inside this process serves nobody else, and has no limits.
    """
    return inferring.with_options(tags=["gpu"]) if has_shared_server() else inferring


@contextmanager
def holding_slots(names: Sequence[str]) -> Iterator[None]:
    """Hold a slot of each limit once around the block, engines included; wait for them as long as it takes.

    A lease that the server does not renew ends nothing: what is on the device stays there either way.
    """
    if not names:
        yield
        return
    with get_client(sync_client=True) as client:
        for name in names:
            try:
                client.read_global_concurrency_limit_by_name(name)
            except ObjectNotFound as error:
                cure = f"prefect gcl create {name} --limit 1"
                raise ConfigError([Fault("slots", f"there is no concurrency limit {name}", cure)]) from error
    with concurrency(list(names), strict=True, lease_duration=_LEASE_SECONDS, raise_on_lease_renewal_failure=False):
        log = get_run_logger()
        log.info("took a slot of %s", ", ".join(names))
        try:
            yield
        finally:
            close_engines()  # the next holder finds the device empty
            log.info("give the slot of %s back", ", ".join(names))


def over_queues(
    queues: Sequence[L],
    here: Callable[[int, Any, L], R],
    submitted: Callable[[int, Any, L], PrefectFuture[R]],
) -> list[R]:
    """The result of each item of the queues, which are numbered, in the order of the numbers.

    Of one queue the work is done `here`. Of several it is `submitted` to threads, one item of a queue at a time. Raises
    what the first item that failed did, when those under way have ended; no further item is begun.
    """
    if len(queues) == 1:
        (queue,) = queues
        return [here(*taken, queue) for taken in iter(queue.take, None)]
    free: SimpleQueue[tuple[L, PrefectFuture[R] | None]] = SimpleQueue()
    for queue in queues:
        free.put((queue, None))
    futures: dict[int, PrefectFuture[R]] = {}
    left, failed = len(queues), False
    try:
        while left:
            queue, done = free.get()
            failed = failed or (done is not None and _has_failed(done))
            if failed or (taken := queue.take()) is None:
                left -= 1
                continue
            future = submitted(*taken, queue)
            future.add_done_callback(lambda future, queue=queue: free.put((queue, future)))
            futures[taken[0]] = future
    finally:
        for future in futures.values():
            future.wait()
    return [futures[number].result() for number in sorted(futures)]


def _has_failed(done: PrefectFuture[Any]) -> bool:
    """Whether a future that is done ended otherwise than well.

    Its state is asked of the API, once a look, until `wait` has noted the last one.
    """
    done.wait()
    return not done.state.is_completed()
