"""The hand-off to Stage-B: one run a manifest, through a deployment where there is one."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from configs.parts import HandOffConfig
from configs.stage_a import StageAConfig
from flows.stage_b import stage_b
from tasks.publishing.publish import Published
from tasks.publishing.task import hand_off_run
from tasks.records.stage_a import Counts, RunManifest

pytestmark = pytest.mark.usefixtures("prefect_harness")


@pytest.fixture
def published() -> Published:
    """A published run with a digest of its own."""
    digest = uuid.uuid4().hex * 2
    manifest = RunManifest(
        run_id=digest[:16],
        mission="挡风板安装检查",
        no_mission=False,
        checkpoint=digest,
        adapters=(),
        prompt=digest,
        settings={},
        versions={},
        counts=Counts(
            groups=0,
            groups_published=0,
            groups_partial=0,
            groups_quarantined=0,
            photos=0,
            photos_published=0,
            photos_quarantined=0,
            unique_photos=0,
        ),
        files=(),
    )
    return Published(f"s3://bucket/stage_a/m/runs/{digest[:16]}/manifest.json", "key", digest, manifest, fresh=True)


@pytest.fixture
def deployment() -> str:
    """A Stage-B deployment on the test server, under a name of its own."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(stage_b)
        client.create_deployment(flow_id=flow_id, name=name)
    return f"{stage_b.name}/{name}"


def hand_over(published: Published, **hand_off: Any) -> dict[str, str] | None:
    """The hand-off task inside a flow of its own."""
    config = StageAConfig(hand_off=HandOffConfig(**hand_off))

    @flow(name=f"hand-over-{uuid.uuid4().hex[:8]}")
    def hand_over_flow() -> dict[str, str] | None:
        return hand_off_run(config, published)

    return hand_over_flow()


def test_a_manifest_starts_one_run_however_often_it_is_handed_over(published: Published, deployment: str) -> None:
    first = hand_over(published, deployment=deployment)
    second = hand_over(published, deployment=deployment)
    assert first is not None
    assert first == second
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(uuid.UUID(first["flow_run_id"]))
    assert run.parameters["manifest"] == published.uri
    assert run.parameters["sha256"] == published.sha256
    assert run.idempotency_key == f"stage-b-{published.sha256}"


def test_another_manifest_starts_another_run(published: Published, deployment: str) -> None:
    other = Published(published.uri, published.key, uuid.uuid4().hex * 2, published.manifest, fresh=True)
    assert hand_over(published, deployment=deployment) != hand_over(other, deployment=deployment)


def test_without_the_deployment_it_is_left_to_the_flow(published: Published) -> None:
    assert hand_over(published, deployment="stage-b/nobody-made-this") is None


def test_a_deployment_that_is_asked_for_and_missing_is_an_error(published: Published) -> None:
    with pytest.raises(ObjectNotFound):
        hand_over(published, mode="deployment", deployment="stage-b/nobody-made-this")


@pytest.mark.parametrize("mode", ["inline", "none"])
def test_the_other_modes_start_no_deployment(published: Published, deployment: str, mode: str) -> None:
    assert hand_over(published, mode=mode, deployment=deployment) is None
