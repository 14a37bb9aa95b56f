"""A whole run whose photos and store lie behind a faulty network. Knows the command line and what a run leaves."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from blocks.s3_store import S3Store
from configs.stores import S3Location, S3Options
from tests.faults.proxy import Faults, FaultyProxy
from tests.faults.runs import Launcher, check_all, published
from tests.servers import S3Server

FAULTS = Faults(
    status=0.04, reset_before=0.03, reset_after=0.03, reset_body=0.025, truncate=0.025, delay=0.1, longest_delay=0.2
)
"""One request of ten fails, and one answer of twenty breaks off in the middle."""


@pytest.fixture(params=[pytest.param("moto_server", marks=pytest.mark.slow), "rclone_server"])
def server(request: pytest.FixtureRequest) -> S3Server:
    """An S3 server of each kind."""
    found: S3Server = request.getfixturevalue(request.param)
    return found


def filled(server: S3Server, photos: Path) -> str:
    """A new bucket with the mission's photos under `in/`."""
    bucket, client = server.new_bucket(), server.client()
    for path in photos.rglob("*"):
        if path.is_file():
            client.put_object(Bucket=bucket, Key=f"in/{path.relative_to(photos)}", Body=path.read_bytes())
    return bucket


def told(server: S3Server, proxy: FaultyProxy) -> dict[str, str]:
    """The environment that leads a run to the proxy."""
    return {**server.env, "AWS_ENDPOINT_URL": proxy.endpoint, "FIELDCHECK_S3__REGION": "us-east-1"}


def behind(server: S3Server, bucket: str) -> S3Store:
    """The store as it is, past the proxy."""
    return S3Store(S3Location(bucket, "out"), S3Options(endpoint_url=server.endpoint), server.credentials())


def test_a_run_through_a_faulty_network_is_published_and_verified(
    server: S3Server, launcher: Launcher, reference: Mapping[str, bytes]
) -> None:
    bucket = filled(server, launcher.photos)
    remote = replace(launcher, photos=cast(Path, f"s3://{bucket}/in"))
    with FaultyProxy(server.endpoint, FAULTS, seed=7) as proxy:
        run = remote.start(f"s3://{bucket}/out", env=told(server, proxy), stage_b=True)
        assert run.wait() == 0, run.stderr
        counts = proxy.counts
    assert all(counts[name] for name in ("status", "reset_before", "reset_after")), counts
    assert counts["reset_body"] + counts["truncate"], counts
    store = behind(server, bucket)
    assert [checked.stage for checked in check_all(store)] == ["stage_a", "stage_b"]
    assert published(store) == reference
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("hole", [False, True])
def test_a_network_that_always_fails_ends_the_run_in_time_with_nothing_published(
    server: S3Server, launcher: Launcher, hole: bool
) -> None:
    bucket = filled(server, launcher.photos)
    remote = replace(launcher, photos=cast(Path, f"s3://{bucket}/in"))
    with FaultyProxy(server.endpoint, seed=7) as proxy:
        proxy.fail_all, proxy.black_hole = not hole, hole
        began = time.monotonic()
        run = remote.start(
            f"s3://{bucket}/out", "--s3.deadline", "4", "--s3.read-timeout", "1", env=told(server, proxy)
        )
        assert run.wait() == 1, run.stderr
        seconds = time.monotonic() - began
        assert proxy.counts["requests"] > 1
        assert proxy.endpoint in run.complaint
    # Four seconds, an attempt that was under way, and what a process and its flow need to start on a busy machine.
    assert seconds < 40
    assert f"s3://{bucket}/out" in run.complaint
    assert "StoreGivenUp" in run.complaint
    assert "Traceback" not in run.stderr
    assert run.inferred == []
    assert [info.key for info in behind(server, bucket).list()] == []


@pytest.mark.slow
def test_a_network_that_fails_in_mid_run_ends_it_and_the_next_run_goes_on(
    server: S3Server, launcher: Launcher, reference: Mapping[str, bytes]
) -> None:
    bucket = filled(server, launcher.photos)
    remote = replace(launcher, photos=cast(Path, f"s3://{bucket}/in"))
    with FaultyProxy(server.endpoint, seed=7) as proxy:
        first = remote.start(f"s3://{bucket}/out", "--s3.deadline", "3", env=told(server, proxy))
        assert first.until(lambda: len(first.inferred) >= 5)
        proxy.fail_all = True
        assert first.wait() == 1, first.stderr
        store = behind(server, bucket)
        assert published(store) == {}
        proxy.fail_all = False
        second = remote.start(
            f"s3://{bucket}/out", env={**told(server, proxy), "FIELDCHECK_PUBLISHING__WAIT_SECONDS": "60"}, stage_b=True
        )
        assert second.wait() == 0, second.stderr
    assert published(store) == reference
    assert len(set(first.inferred) & set(second.inferred)) <= 3
