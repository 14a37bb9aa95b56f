"""What every store must do, on a local directory and on two real S3 servers."""

from __future__ import annotations

import hashlib
import io
import os
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from blocks.errors import BadKey, ObjectCorrupt, ObjectExists, ObjectMissing, StoreUnavailable
from blocks.local_store import LocalStore
from blocks.store import ObjectInfo, Store

KEYS = [
    "plain.txt",
    "挡风板安装检查/审核通过/QC-0001（重提）/图 片×1.jpg",
    "a/b c/100% + & = ? # [x] {y} ~ ! $ ' ( ) ; : @ , ^ `.txt",
    "emoji/📷🛠️.png",
    "deep/" + "/".join("abcdefghij"),
    "é/NFC.txt",
    "e\u0301/NFD.txt",
    ".hidden/.file",
]
BAD_KEYS = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/../b",
    "a/./b",
    "a\x00b",
    "a\nb",
    "a\x7f",
    "a\x85b",
    "\udcff.jpg",
    "长" * 86,
    "x" * 256,
    "/".join(["x" * 200] * 6),
    "a/.fieldcheck-tmp-1",
]


def test_it_is_a_store(store: Store) -> None:
    assert isinstance(store, Store)
    assert store.uri_of("a/b") == f"{store.uri}/a/b"
    assert not store.uri.endswith("/")


@pytest.mark.parametrize("key", KEYS)
def test_round_trip(store: Store, key: str) -> None:
    data = key.encode() * 3
    assert store.stat(key) is None
    assert store.write(key, data) == ObjectInfo(key, len(data))
    assert store.read(key) == data
    assert store.stat(key) == ObjectInfo(key, len(data))
    assert list(store.list()) == [ObjectInfo(key, len(data))]
    store.delete(key)
    assert store.stat(key) is None


def test_empty_object(store: Store) -> None:
    store.write("empty", b"")
    assert store.read("empty") == b""
    assert store.stat("empty") == ObjectInfo("empty", 0)


def test_overwrite(store: Store) -> None:
    store.write("a/b", b"first, and longer")
    store.write("a/b", b"second")
    assert store.read("a/b") == b"second"


def test_no_replace(store: Store) -> None:
    store.write("a/b", b"first", replace=False)
    with pytest.raises(ObjectExists) as caught:
        store.write("a/b", b"second", replace=False)
    assert caught.value.uri == store.uri_of("a/b")
    assert not caught.value.retryable
    assert store.read("a/b") == b"first"


def test_racing_writers(store: Store, request: pytest.FixtureRequest) -> None:
    start = threading.Barrier(12)
    contents = [str(number).encode() * 50_000 for number in range(12)]

    def race(number: int) -> bool:
        start.wait()
        try:
            store.write("race", contents[number], replace=False)
        except ObjectExists:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        won = list(pool.map(race, range(12)))
    winners = [number for number, win in enumerate(won) if win]
    if "rclone" not in request.node.name:
        assert len(winners) == 1
        assert store.read("race") == contents[winners[0]]
        return
    # rclone ignores If-None-Match, and may keep the checksum of another winner than the bytes: these must be whole.
    server, bucket = request.getfixturevalue("rclone_bucket")
    key = store.uri_of("race").removeprefix(f"s3://{bucket}/")
    assert server.client().get_object(Bucket=bucket, Key=key)["Body"].read() in [contents[number] for number in winners]
    store.write("race", b"mended")
    assert store.read("race") == b"mended"


def test_racing_overwrites_stay_whole(store: Store, request: pytest.FixtureRequest) -> None:
    contents = [str(number).encode() * 100_000 for number in range(6)]
    store.write("k", contents[0])

    def read() -> bytes:
        try:
            return store.read("k")
        except (StoreUnavailable, ObjectMissing, ObjectCorrupt):
            # While a file is replaced, rclone may answer 500, 404, or new bytes with the old checksum. What nobody
            # may do is give out torn bytes.
            if "rclone" not in request.node.name:
                raise
            return contents[0]

    with ThreadPoolExecutor(6) as pool:
        writes = [pool.submit(store.write, "k", data) for data in contents * 2]
        reads = [pool.submit(read) for _ in range(12)]
    assert [write.exception() for write in writes] == [None] * len(writes)
    assert all(done.result() in contents for done in reads)


def test_more_than_a_page(store: Store) -> None:
    keys = {f"many/{number % 7}/{number:04}.jpg" for number in range(1050)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.write(key, b"x"), keys))
    store.write("manyother/x", b"x")
    assert {info.key for info in store.list("many/")} == keys
    assert sorted(info.key for info in store.list("many/3/")) == sorted(
        key for key in keys if key.startswith("many/3/")
    )
    assert sorted(store.folders("many")) == [str(number) for number in range(7)]


def test_folders(store: Store) -> None:
    for key in ("任务/审核通过/G1/a.jpg", "任务/审核不通过/G2/a.jpg", "任务/G 3（补）/a.jpg", "任务/readme.txt"):
        store.write(key, b"x")
    assert sorted(store.folders()) == ["任务"]
    assert sorted(store.folders("任务/")) == sorted(["审核通过", "审核不通过", "G 3（补）"])
    assert list(store.folders("任务/审核通过")) == ["G1"]
    assert list(store.folders("任务/审核通过/G1")) == []


@pytest.mark.parametrize("prefix", ["nothing", "nothing/here/", "file"])
def test_listing_where_nothing_is(store: Store, prefix: str) -> None:
    store.write("file", b"x")
    assert list(store.list(prefix)) == []
    assert list(store.folders(prefix)) == []


def test_missing(store: Store) -> None:
    assert store.stat("no/such") is None
    for read in (store.read, store.open):
        with pytest.raises(ObjectMissing) as caught:
            read("no/such")
        assert store.uri_of("no/such") in str(caught.value)
    store.delete("no/such")


def test_large_object_in_parts(store: Store) -> None:
    block = os.urandom(1 << 20)
    data = b"".join(bytes([number]) + block[1:] for number in range(40)) + b"tail"
    source = io.BytesIO(b"skipped" + data)
    source.seek(7)
    assert store.upload("big.bin", source) == ObjectInfo("big.bin", len(data))
    digest = hashlib.sha256()
    with store.open("big.bin") as stream:
        while chunk := stream.read(3_000_000):
            digest.update(chunk)
    assert digest.digest() == hashlib.sha256(data).digest()
    with pytest.raises(ObjectExists):
        store.upload("big.bin", io.BytesIO(data), replace=False)


def test_a_source_that_fails_leaves_nothing(store: Store) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= 16 << 20:
                raise KeyboardInterrupt
            return super().read(size)

    with pytest.raises(KeyboardInterrupt):
        store.upload("half.bin", Broken(bytes(20 << 20)))
    assert store.stat("half.bin") is None
    assert list(store.list()) == []


def test_stream(store: Store) -> None:
    data = os.urandom(3_000_000)
    store.write("stream", data)
    with store.open("stream") as stream:
        assert stream.readable()
        assert stream.read(10) == data[:10]
        assert stream.read(100_000) == data[10:100_010]
        assert stream.read() == data[100_010:]
        assert stream.read() == b""
    assert stream.closed
    abandoned = store.open("stream")
    assert abandoned.read(1) == data[:1]
    abandoned.close()
    abandoned.close()
    assert store.read("stream") == data


def test_listing_can_be_left_early(store: Store) -> None:
    for number in range(5):
        store.write(f"a/{number}/x", b"x")
    listing = store.list()
    next(listing)
    del listing
    assert len(list(store.list())) == 5


@pytest.mark.parametrize("key", BAD_KEYS)
def test_bad_keys(store: Store, key: str) -> None:
    for use in (store.stat, store.read, store.open, store.delete):
        with pytest.raises(BadKey):
            use(key)
    with pytest.raises(BadKey):
        store.write(key, b"x")
    with pytest.raises(BadKey):
        store.upload(key, io.BytesIO(b"x"), replace=False)


@pytest.mark.parametrize("prefix", ["/", "//", "a//", "..", "../", "a/../b/", "a\x00"])
def test_bad_prefixes_fail_at_once(store: Store, prefix: str) -> None:
    for use in (store.list, store.folders):
        with pytest.raises(BadKey):
            use(prefix)


def test_check(store: Store) -> None:
    if isinstance(store, LocalStore):
        with pytest.raises(ObjectMissing, match="check the path"):
            store.check()
    store.check(write=True)
    store.check()
    assert list(store.list()) == []


def test_a_swap_replaces_exactly_what_was_there(store: Store) -> None:
    store.swap("a/b", b"first", None)
    assert store.read("a/b") == b"first"
    store.swap("a/b", b"second", b"first")
    store.swap("a/b", b"second", b"first")  # what we wanted is there: a lost answer is no lost race
    for before in (None, b"first", b"", b"second "):
        with pytest.raises(ObjectExists):
            store.swap("a/b", b"third", before)
    assert store.read("a/b") == b"second"
    store.delete("a/b")
    with pytest.raises(ObjectExists):
        store.swap("a/b", b"third", b"second")
    assert list(store.list()) == []


# Not moto: it looks and writes in two steps, and lost lines once in a run of the whole suite.
@pytest.mark.parametrize("kind", ["local"])
def test_of_racing_swaps_none_undoes_another(
    open_kind: Callable[[str], Store], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody adds a line to what is there, again if it is told no: each is there once, however they are held up."""
    store = open_kind(kind)
    store.write("lines", b"")
    for name in ("link", "symlink", "replace", "readlink", "unlink"):
        monkeypatch.setattr(f"blocks.local_files.os.{name}", _after_a_pause(getattr(os, name)))

    def add(number: int) -> None:
        for _ in range(400):
            now = store.read("lines")
            with suppress(ObjectExists):
                store.swap("lines", now + f"{number}\n".encode(), now)
                return
        raise AssertionError("never won")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(48)))
    assert sorted(map(int, store.read("lines").split())) == [*range(48)]
    assert [info.key for info in store.list()] == ["lines"]


def _after_a_pause(call: Callable[..., Any]) -> Callable[..., Any]:
    """A writer may be held up before any of its steps: a race of three that is rare becomes common."""

    def paused(*args: Any, **named: Any) -> Any:
        if random.random() < 0.5:
            time.sleep(random.random() / 200)
        return call(*args, **named)

    return paused


def test_a_sweep_leaves_what_is_whole_and_what_is_new(store: Store) -> None:
    store.write("a/b", b"x")
    store.sweep("a", 0.0)
    assert store.sweep("a", 3600.0) == 0
    assert [info.key for info in store.list()] == ["a/b"]


def test_a_listing_knows_when_an_object_was_written(store: Store) -> None:
    before = time.time()
    store.write("a/b", b"x")
    (info,) = store.list()
    assert abs(info.modified - before) < 300
