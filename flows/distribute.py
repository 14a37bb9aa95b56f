"""Shards of a run wherever it has help: this machine's devices, Prefect workers, a Ray cluster. Knows no engine.

Elsewhere the items go in pieces, through the store: Prefect and Ray carry names and no data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.futures import PrefectFuture, as_completed

from blocks.embedded_server import has_shared_server
from blocks.stores import open_store
from configs.errors import ConfigError, Fault
from configs.work import WorkConfig
from flows.devices import infer_here
from flows.infer_piece import infer_piece
from tasks.checkpoints.resolve import Checkpoint
from tasks.common.batches import batches
from tasks.common.progress import Progress
from tasks.ledger.works import Works
from tasks.records.errors import EngineError, EngineMissing
from tasks.records.work import Shard
from tasks.runs.pieces import Piece, forget_piece, read_receipts, write_piece
from tasks.runs.shards import Receipt
from tasks.work.plan import Plan, pending_shards

_POLL_SECONDS = 2.0


def infer_all(
    config: WorkConfig,
    plan: Plan,
    works: Works,
    checkpoint: Checkpoint,
    progress: Progress,
    watch: Callable[[], None],
) -> list[Receipt]:
    """Ask about all pending items, here or elsewhere. `watch` is called before each shard and may raise.

    Raises EngineError, StoreError or ConfigError.
    """
    if not plan.pending:
        return []
    if config.spread.over == "devices":
        shards = _watched(pending_shards(config, plan, works, lambda: progress.rate), watch)
        return infer_here(config, plan, shards, checkpoint, progress)
    return infer_elsewhere(config, plan, works, progress)


def _watched(shards: Iterable[Shard], watch: Callable[[], None]) -> Iterator[Shard]:
    """The GPU does not work for a run that has lost its mission, or its store."""
    for shard in shards:
        watch()
        yield shard


def infer_elsewhere(config: WorkConfig, plan: Plan, works: Works, progress: Progress) -> list[Receipt]:
    """Cut the work into pieces, have them done, and collect the receipts.

    When a piece fails the others are waited for all the same: what they do is not lost on the next run.
    """
    _check_server()
    store = open_store(config.store, config.s3)
    kind, most = plan.kind, math.ceil(plan.pending / config.spread.pieces)
    settings = config.model_dump(mode="json")
    names = {
        write_piece(
            store, kind.folder, Piece(kind.name, settings, kind.identity, plan.epoch, kind.revision, items)
        ): len(items)
        for items in batches(works.pending(), lambda: most)
    }
    get_run_logger().info("%d pieces of up to %d %ss for %s", len(names), most, kind.noun, config.spread.over)
    begin = _on_ray if config.spread.over == "ray" else _by_workers
    receipts: list[Receipt] = []
    try:
        progress.start()
        with begin(config, kind.folder, names) as futures:
            failed = _wait(futures, progress)
        if failed is not None:
            raise failed
        for name in names:
            receipts += read_receipts(store, kind.folder, name)
    finally:
        for name in names:
            forget_piece(store, kind.folder, name)
    return receipts


def _wait(futures: Iterable[PrefectFuture[int]], progress: Progress) -> BaseException | None:
    """Count each piece as it ends; the first failure."""
    failed: BaseException | None = None
    for future in as_completed(list(futures)):
        try:
            progress.advance(future.result())
        except Exception as error:
            failed = failed or error
    return failed


@contextmanager
def _by_workers(config: WorkConfig, folder: str, names: Mapping[str, int]) -> Iterator[list[PrefectFuture[int]]]:
    with get_client(sync_client=True) as client:
        try:
            client.read_deployment_by_name(config.spread.deployment)
        except ObjectNotFound as error:
            fault = Fault("spread.deployment", f"there is no {config.spread.deployment}", "deploy it, see the README")
            raise ConfigError([fault]) from error
    told = [(_parameters(config, folder, name), photos) for name, photos in names.items()]
    yield [run_piece.submit(config.spread.deployment, parameters, photos) for parameters, photos in told]


@contextmanager
def _on_ray(config: WorkConfig, folder: str, names: Mapping[str, int]) -> Iterator[list[PrefectFuture[int]]]:
    try:
        from prefect_ray import RayTaskRunner
        from prefect_ray.context import remote_options
    except ImportError as error:
        raise EngineMissing("spread.over is ray and prefect-ray is not installed; install fieldcheck[ray]") from error
    spread = config.spread
    with (
        RayTaskRunner(spread.address, init_kwargs={"include_dashboard": False, "log_to_driver": False}) as runner,
        remote_options(num_cpus=spread.cpus, num_gpus=spread.gpus),
    ):
        yield [runner.submit(piece_on_ray, {"parameters": _parameters(config, folder, name)}) for name in names]


@task(name="run-piece", task_run_name="run-piece-{parameters[piece]:.8}", cache_policy=NO_CACHE, persist_result=False)
def run_piece(deployment: str, parameters: dict[str, Any], photos: int) -> int:
    """Have a worker do a piece of so many photos, and wait for it. Raises EngineError if it does not succeed."""
    run: Any = run_deployment(name=deployment, parameters=parameters, poll_interval=_POLL_SECONDS)
    if run.state is None or not run.state.is_completed():
        state = "no state" if run.state is None else f"{run.state.name}: {run.state.message}"
        raise EngineError(f"flow run {run.name} of {deployment} ended as {state}; run again, what it did is kept")
    return photos


@task(name="piece-on-ray", task_run_name="piece-on-ray-{parameters[piece]:.8}", cache_policy=NO_CACHE)
def piece_on_ray(parameters: dict[str, Any]) -> int:
    """Do a piece in a process of Ray; how many photos it has."""
    return infer_piece(**parameters)


def _parameters(config: WorkConfig, folder: str, name: str) -> dict[str, Any]:
    s3 = config.s3.model_dump(mode="json", exclude_unset=True)
    return {"store": config.store, "folder": folder, "piece": name, "s3": s3}


def _check_server() -> None:
    if not has_shared_server():
        what = "needs a Prefect server that all machines reach"
        raise ConfigError([Fault("spread.over", what, "start one and set PREFECT_API_URL")])
