"""Shards over the devices of this machine: each takes the next one as soon as it is free."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TypeVar

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound
from prefect.futures import PrefectFuture
from prefect.utilities.annotations import opaque

from configs.errors import ConfigError, Fault
from configs.stage_a import StageAConfig
from tasks.checkpoints.resolve import Checkpoint
from tasks.engines.open import close_engines
from tasks.publishing.shards import Receipt
from tasks.records.progress import Progress
from tasks.records.work import Shard
from tasks.summaries.task import Plan, infer_shard

T = TypeVar("T")
R = TypeVar("R")


def infer_here(
    config: StageAConfig, plan: Plan, shards: Iterable[Shard], checkpoint: Checkpoint, progress: Progress
) -> list[Receipt]:
    """Summarise the shards on this machine's devices, with a slot of each of the run's concurrency limits.

    Raises EngineError or StoreError; ConfigError if there is no such limit.
    """
    with holding_slots(config.slots):
        return over_devices(
            config.fleet,
            shards,
            lambda n, shard, device: infer_shard(n, opaque(shard), plan, config, checkpoint, progress, device),
            lambda n, shard, device: infer_shard.submit(n, opaque(shard), plan, config, checkpoint, progress, device),
        )


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
    with concurrency(list(names), strict=True, raise_on_lease_renewal_failure=False):
        try:
            yield
        finally:
            close_engines()  # the next holder finds the device empty


def over_devices(
    devices: Sequence[str],
    items: Iterable[T],
    here: Callable[[int, T, str], R],
    submitted: Callable[[int, T, str], PrefectFuture[R]],
) -> list[R]:
    """The result of each item, in order; items are numbered from 1.

    On one device the work is done `here`. On several it is `submitted` to threads, as many pieces at a time as there
    are devices; items are drawn in this thread, one by one. Raises what the first piece that failed did, when those
    under way have ended; no further piece is begun.
    """
    if len(devices) == 1:
        return [here(number, item, devices[0]) for number, item in enumerate(items, start=1)]
    free: SimpleQueue[str] = SimpleQueue()
    for device in devices:
        free.put(device)
    futures: list[PrefectFuture[R]] = []
    for number, item in enumerate(items, start=1):
        device = free.get()
        if any(future.state.is_failed() or future.state.is_crashed() for future in futures):
            break
        future = submitted(number, item, device)
        future.add_done_callback(lambda _, device=device: free.put(device))
        futures.append(future)
    for future in futures:
        future.wait()
    return [future.result() for future in futures]
