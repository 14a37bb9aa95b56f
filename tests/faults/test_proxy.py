"""The store on a faulty network, in front of two real S3 servers: it loses nothing, and gives up when it must."""

from __future__ import annotations

import hashlib
import io
import random
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.errors import ObjectCorrupt, ObjectExists, ObjectMissing, StoreDenied, StoreGivenUp
from blocks.retrying import Retry
from blocks.s3_store import S3Store
from blocks.store import ObjectInfo
from configs.stores import S3Location, S3Options
from tests.faults.exchange import Draw
from tests.faults.proxy import Faults, FaultyProxy
from tests.faults.wire import Head
from tests.servers import S3Server

KINDS = ("moto", "rclone")
FAILING = Faults(
    status=0.04, reset_before=0.03, reset_after=0.03, reset_body=0.025, truncate=0.025, delay=0.02, longest_delay=0.02
)
OBJECTS = 300
PAGE = 100
# The waits of production would make this a matter of minutes; how they grow is tested with a clock of its own.
QUICK = Retry(60, first_wait=0.01, longest_wait=0.1)


@pytest.fixture(scope="module", params=KINDS)
def bucket(request: pytest.FixtureRequest) -> tuple[S3Server, str]:
    """A bucket on each server in turn; tests keep apart by their prefixes."""
    server: S3Server = request.getfixturevalue(f"{request.param}_server")
    return server, server.new_bucket()


def store_through(
    proxy: FaultyProxy,
    bucket: tuple[S3Server, str],
    *,
    retry: Retry | None = QUICK,
    page: int = 1000,
    credentials: AwsCredentials | None = None,
    **options: float,
) -> S3Store:
    server, name = bucket
    told = S3Options.model_validate(
        {"endpoint_url": proxy.endpoint, "max_attempts": 1, "connect_timeout": 5, "read_timeout": 20} | options
    )
    location = S3Location(name, f"测试/{uuid.uuid4().hex}")
    return S3Store(location, told, credentials or server.credentials(), retry=retry, page=page)


def everything(store: S3Store) -> dict[str, object]:
    """One use of all that a store does, and what came of it."""
    large = random.Random(1).randbytes((33 << 20) + 5)
    names = ["plain.txt", "挡风板/QC-0001（重提）/图 片×1.jpg", "a/b c/100% + & = ? # '~.txt", "d/empty"]
    written = {name: name.encode() * number for number, name in enumerate(names[::-1])}
    store.check(write=True)
    for name, data in written.items():
        store.write(name, data, replace=False)
    store.upload("large/object", io.BytesIO(large))
    with store.open("large/object") as stream:
        digest = hashlib.sha256(b"".join(iter(lambda: stream.read(1 << 20), b""))).hexdigest()
    with pytest.raises(ObjectMissing):
        store.read("nobody")
    with pytest.raises(ObjectExists):
        store.write("plain.txt", b"other", replace=False)
    found: dict[str, object] = {
        "read": {name: store.read(name) for name in names} == written,
        "large": digest == hashlib.sha256(large).hexdigest(),
        "list": sorted(store.list(), key=lambda info: info.key)
        == sorted(
            [ObjectInfo(name, len(data)) for name, data in written.items()] + [ObjectInfo("large/object", len(large))],
            key=lambda info: info.key,
        ),
        "folders": sorted(store.folders()) == ["a", "d", "large", "挡风板"],
        "stat": store.stat("plain.txt") == ObjectInfo("plain.txt", len(written["plain.txt"])),
    }
    for info in list(store.list()):
        store.delete(info.key)
    return found | {"delete": list(store.list()) == [] and store.stat("plain.txt") is None}


def test_without_faults_nothing_changes(bucket: tuple[S3Server, str]) -> None:
    with FaultyProxy(bucket[0].endpoint) as proxy:
        found = everything(store_through(proxy, bucket, retry=Retry(0)))
        counts = proxy.counts
    assert found == dict.fromkeys(found, True)
    assert set(counts) == {"requests", "passed"}
    assert counts["requests"] == counts["passed"] > 30


def in_chunks(store: S3Store, key: str) -> bytes:
    with store.open(key) as stream:
        return b"".join(iter(lambda: stream.read(7_001), b""))


def test_a_bad_network_changes_nothing_either(bucket: tuple[S3Server, str]) -> None:
    dice = random.Random(20)
    # Like photos, and some that come in several reads.
    objects = {f"g{n % 10}/{n}.jpg": dice.randbytes(dice.choice((1, 900, 20_000, 200_000))) for n in range(OBJECTS)}
    with FaultyProxy(bucket[0].endpoint, FAILING, seed=3) as proxy, ThreadPoolExecutor(4) as pool:
        store = store_through(proxy, bucket, page=PAGE)
        list(pool.map(lambda item: store.write(*item), objects.items()))
        sizes = {key: len(data) for key, data in objects.items()}
        for _ in range(5):
            assert {info.key: info.size for info in store.list()} == sizes
            assert sorted(store.folders()) == sorted({key.partition("/")[0] for key in objects})
        assert dict(zip(objects, pool.map(store.read, objects), strict=True)) == objects
        assert dict(zip(objects, pool.map(lambda key: in_chunks(store, key), objects), strict=True)) == objects
        large = dice.randbytes((17 << 20) + 3)
        store.upload("large", io.BytesIO(b"head" + large))
        assert in_chunks(store, "large") == b"head" + large
        list(pool.map(store.delete, [*objects, "large"]))
        assert list(store.list()) == []
        counts = proxy.counts
    failed = counts["status"] + counts["reset_before"] + counts["reset_after"]
    assert 0.07 * counts["requests"] < failed < 0.13 * counts["requests"]
    for kind in ("status", "reset_before", "reset_after", "reset_body", "truncate", "delay"):
        assert counts[kind] >= 8, kind


class Scripted(FaultyProxy):
    """A proxy whose requests meet the faults of `script`, one after the other, and then none; keeps their heads."""

    def __init__(self, upstream: str, *script: str | None) -> None:
        super().__init__(upstream)
        self.script = iter(script)
        self.heads: list[Head] = []

    def draw(self, head: Head) -> Draw:
        self.heads.append(head)
        return Draw(next(self.script, None), 0.5, 0.0)


def test_an_upload_whose_end_is_lost(bucket: tuple[S3Server, str]) -> None:
    server, name = bucket
    data = random.Random(2).randbytes((16 << 20) + 1)
    # Begin, two parts, end.
    with Scripted(server.endpoint, None, None, None, "reset_after") as proxy:
        store = store_through(proxy, bucket)
        store.upload("a", io.BytesIO(data))
        methods = [head.words[0] for head in proxy.heads]
        assert store.read("a") == data
    assert methods[:5] == ["POST", "PUT", "PUT", "POST", "POST"]
    # moto answers the second question like the first; rclone knows the upload no more, so all is sent again.
    assert methods[5:] == ([] if server.conditional else ["DELETE", "POST", "PUT", "PUT", "POST"])
    assert "Uploads" not in server.client().list_multipart_uploads(Bucket=name)


@pytest.mark.parametrize("fault", ["reset_body", "truncate"])
def test_a_body_goes_on_where_it_broke_off(fault: str, bucket: tuple[S3Server, str]) -> None:
    data = random.Random(3).randbytes(3_000_000)
    with Scripted(bucket[0].endpoint, None, fault, fault) as proxy:
        store = store_through(proxy, bucket)
        store.write("a", data)
        assert in_chunks(store, "a") == data
        ranges = [head.headers.get("range") for head in proxy.heads[1:]]
    assert len(ranges) == 3
    first, second, third = (int(found[6:-1]) if found else 0 for found in ranges)
    assert first == 0
    if fault == "truncate":
        assert 1_400_000 < second <= 1_500_000
        assert 2_200_000 - 65_536 < third <= 2_250_000
    else:
        # A reset also drops what the kernel had not passed on.
        assert second <= 1_500_000
        assert second <= third <= 2_250_000


def test_an_object_that_is_replaced_while_it_is_read(bucket: tuple[S3Server, str]) -> None:
    old, new = (random.Random(seed).randbytes(500_000) for seed in (4, 5))
    with Scripted(bucket[0].endpoint, None, "truncate", None, None, "truncate") as proxy:
        store = store_through(proxy, bucket, max_attempts=2)
        store.write("a", old)
        with store.open("a") as stream:
            assert stream.read(1000) == old[:1000]
            store.write("a", new)
            with pytest.raises(ObjectCorrupt, match="was replaced"):
                stream.read()
        assert store.read("a") == new


USES: list[Callable[[S3Store], object]] = [
    lambda store: store.read("a/b.jpg"),
    lambda store: store.write("a/b.jpg", b"x"),
    lambda store: list(store.list()),
]


def given_up(store: S3Store, use: Callable[[S3Store], object]) -> str:
    """The message of a use that ends at a deadline of two seconds."""
    started = time.monotonic()
    with pytest.raises(StoreGivenUp) as caught:
        use(store)
    assert 2 <= time.monotonic() - started < 10
    return str(caught.value)


def test_nothing_works(bucket: tuple[S3Server, str]) -> None:
    with FaultyProxy(bucket[0].endpoint) as proxy, ThreadPoolExecutor(len(USES)) as pool:
        store = store_through(proxy, bucket, retry=None, deadline=2.0, max_attempts=2)
        store.check()  # makes the client, which takes its time on a busy machine
        passed = proxy.counts["passed"]
        proxy.fail_all = True
        read, write, listing = pool.map(partial(given_up, store), USES)
        counts = proxy.counts
    assert all(proxy.endpoint in text and "raise s3.deadline" in text for text in (read, write, listing))
    assert read.endswith(f"[{store.uri}/a/b.jpg]")
    assert write.endswith(f"[{store.uri}/a/b.jpg]")
    assert listing.endswith(f"[{store.uri}]")
    # One request of a client that gave up meanwhile may have met neither fault nor answer.
    assert counts["passed"] == passed
    assert counts["status"] + counts["reset_before"] + counts["reset_after"] >= 6


def test_a_server_that_never_answers(bucket: tuple[S3Server, str]) -> None:
    with FaultyProxy(bucket[0].endpoint) as proxy, ThreadPoolExecutor(len(USES)) as pool:
        store = store_through(proxy, bucket, retry=None, deadline=2.0, read_timeout=1.0)
        store.check()
        proxy.black_hole = True
        texts = list(pool.map(partial(given_up, store), USES))
        counts = proxy.counts
    assert counts["black_hole"] == counts["requests"] - 1 >= 4
    for text in texts:
        assert "did not answer in time" in text
        assert proxy.endpoint in text
    assert texts[0].endswith("a/b.jpg]")


def test_an_outage_is_sat_out(bucket: tuple[S3Server, str]) -> None:
    with FaultyProxy(bucket[0].endpoint) as proxy, ThreadPoolExecutor(1) as pool:
        store = store_through(proxy, bucket, retry=Retry(30, first_wait=0.05, longest_wait=0.2))
        store.write("a", b"x")
        proxy.fail_all = True
        reading = pool.submit(store.read, "a")
        time.sleep(1)
        assert not reading.done()
        proxy.fail_all = False
        assert reading.result(timeout=10) == b"x"


def test_who_is_refused_does_not_ask_again(rclone_server: S3Server) -> None:
    wrong = AwsCredentials(aws_access_key_id=rclone_server.access_key, aws_secret_access_key=SecretStr("wrong"))
    with FaultyProxy(rclone_server.endpoint) as proxy:
        place = rclone_server, rclone_server.new_bucket()
        store = store_through(proxy, place, retry=None, max_attempts=3, credentials=wrong)
        for number, use in enumerate(USES, start=1):
            with pytest.raises(StoreDenied, match="credentials"):
                use(store)
            assert proxy.counts["requests"] == number


def test_a_seed_repeats_a_run(moto_server: S3Server) -> None:
    place = moto_server, moto_server.new_bucket()

    def run(seed: int) -> dict[str, int]:
        with FaultyProxy(moto_server.endpoint, FAILING, seed=seed) as proxy:
            store = store_through(proxy, place)
            for number in range(60):
                store.write(f"{number}", b"x" * number)
            return dict(proxy.counts)

    assert run(1) == run(1) != run(2)
