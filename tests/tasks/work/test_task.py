"""One shard through its task, with a server that is asked about its photos; no Prefect server is needed for it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from blocks.local_store import LocalStore
from configs.parts import EndpointConfig, EngineConfig
from configs.stage_a import StageAConfig
from tasks.checkpoints.resolve import Checkpoint
from tasks.common.progress import Progress
from tasks.common.queues import SharedQueue
from tasks.engines.open import close_engines
from tasks.engines.task import check_server, warnings_in_run
from tasks.records.errors import EndpointRefused
from tasks.records.photos import Photo
from tasks.records.reasons import Reason
from tasks.records.work import WorkItem
from tasks.runs.keys import index_folder
from tasks.runs.shards import Receipt, parse_shard
from tasks.summaries.kind import summaries_of
from tasks.work.device import DeviceShards
from tasks.work.plan import Plan
from tasks.work.task import infer_shard
from tests.builders import FOLDER, MISSION, make_shard, put_photos, sha
from tests.tasks.engines.faulty import Script, chat, faulty, status

FILTERED = status(400, {"error": {"code": "data_inspection_failed", "message": "no"}})
GOOD = status(200, chat("BBU设备×1"))


class Work:
    """Six photos of a mission, and the task that summarises them."""

    def __init__(self, folder: Path, url: str) -> None:
        (folder / "store").mkdir()
        self.store = LocalStore(folder / "store")
        names = [f"img{index}.jpg" for index in range(6)]
        put_photos(folder / "photos" / MISSION, "QC-1", names)
        endpoint = EndpointConfig(url=url, concurrency=1)
        self.config = StageAConfig(
            mission=MISSION,
            input_root=str(folder / "photos"),
            store=str(folder / "store"),
            engine=EngineConfig(kind="endpoint", endpoint=endpoint),
        )
        self.checkpoint = Checkpoint("", (), sha("server"), (), "")
        kind = summaries_of(self.config, self.checkpoint)
        photos = [(name, (folder / "photos" / MISSION / "QC-1" / name).read_bytes()) for name in names]
        self.items = [
            WorkItem(kind.identity.work_key(digest), Photo(name, f"{MISSION}/QC-1/{name}", len(data), digest, 64, 48))
            for name, data in photos
            for digest in [hashlib.sha256(data).hexdigest()]
        ]
        self.plan = Plan(kind, len(self.items), 0, 0)

    def infer(self) -> Receipt:
        """The shard of all photos."""
        shard = make_shard(self.items)
        shards = DeviceShards("cpu", SharedQueue(iter([(1, shard)])))
        assert shards.take()
        with disable_run_logger():
            return infer_shard.fn(1, shard, self.plan, self.config, self.checkpoint, Progress(len(self.items)), shards)

    def shards(self) -> list[bytes]:
        """The shard objects in the store."""
        return [self.store.read(info.key) for info in self.store.list(f"stage_a/{MISSION}/shards/")]


@pytest.fixture
def server() -> Iterator[Script]:
    with faulty() as script:
        yield script
    close_engines()


@pytest.fixture
def work(server: Script, tmp_path: Path) -> Work:
    return Work(tmp_path, server.url)


def test_a_photo_that_the_server_filters_has_its_own_reason_and_is_not_remembered(work: Work, server: Script) -> None:
    server.acts = [GOOD, FILTERED, *[GOOD] * 4]
    receipt = work.infer()
    assert (receipt.items, receipt.inferred, receipt.bad) == (6, 5, 1)
    (data,) = work.shards()
    (bad,) = [outcome for outcome in parse_shard(data, "shard") if not outcome.ok]
    assert bad.reason is Reason.CONTENT_REFUSED
    assert bad.detail == "the server has no answer for it: HTTP 400, code data_inspection_failed"
    (index,) = work.store.list(f"{index_folder(FOLDER, work.plan.kind.identity.digest)}/")
    assert bad.work_key.encode() not in work.store.read(index.key)


def test_what_was_summarised_before_an_error_ended_the_shard_is_kept(work: Work, server: Script) -> None:
    server.acts = [*[GOOD] * 4, status(401)]
    with pytest.raises(EndpointRefused):
        work.infer()
    (data,) = work.shards()
    kept = parse_shard(data, "shard")
    assert len(kept) == 4
    assert all(outcome.ok for outcome in kept)
    (index,) = work.store.list(f"{index_folder(FOLDER, work.plan.kind.identity.digest)}/")
    assert all(outcome.work_key.encode() in work.store.read(index.key) for outcome in kept)


def test_nothing_is_kept_of_a_shard_without_an_answer(work: Work, server: Script) -> None:
    server.acts = [status(401)]
    with pytest.raises(EndpointRefused):
        work.infer()
    assert not work.shards()


def test_what_engines_warn_of_is_in_the_runs_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    engine = logging.getLogger("tasks.engines.silence")
    with disable_run_logger(), warnings_in_run(), warnings_in_run():
        engine.warning("within")
    engine.warning("after")
    assert [record.message for record in caplog.records if record.name == engine.name] == ["after"]


def test_a_server_that_serves_another_model_is_refused_without_a_question(server: Script) -> None:
    with disable_run_logger():
        check_server.fn(EndpointConfig(url=server.url))
        with pytest.raises(EndpointRefused, match="does not serve gpt"):
            check_server.fn(EndpointConfig(url=server.url, model="gpt"))
    assert not server.asked
