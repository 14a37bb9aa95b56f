"""The hand-off to Stage-B: one run a manifest, through a deployment where there is one, into the store of the run."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterFlowRunId
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Crashed, Failed

from blocks.local_store import LocalStore
from blocks.publish_target import PublishTarget
from blocks.stores import open_store
from configs.errors import ConfigError, PrefectUnavailable
from configs.judge import JudgeConfig
from configs.parts import HandOffConfig, ModelConfig
from configs.stage_a import StageAConfig
from configs.stage_b import StageBConfig
from configs.stores import S3Options
from flows.hand_off import hand_off_run, stage_b_parameters
from flows.stage_a import stage_a
from flows.stage_b import stage_b
from tasks.records.stage_a import Counts, RunManifest
from tasks.runs.keys import split_manifest_uri
from tasks.runs.publish import Published
from tasks.tickets.ingest import ingest
from tests.builders import make_group, make_outcomes, publish_groups
from tests.flows.conftest import MISSION
from tests.servers import S3Server

pytestmark = pytest.mark.usefixtures("prefect_harness")

TICKETS_ALONE = {"enabled": False}


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
    key = f"stage_a/m/runs/{digest[:16]}/manifest.json"
    return Published(f"s3://bucket/{key}", key, digest, manifest, fresh=True)


@pytest.fixture
def published_here(tmp_path: Path) -> Published:
    """A run that is published in a folder, with a digest of its own."""
    group = make_group(f"QC-{uuid.uuid4().hex[:8]}", 1)
    return publish_groups(LocalStore(tmp_path / "store"), [group], make_outcomes([group]))


@pytest.fixture
def deployment() -> str:
    """A Stage-B deployment on the test server, under a name of its own."""
    return deployed(f"test-{uuid.uuid4().hex[:8]}")[0]


def deployed(name: str) -> tuple[str, uuid.UUID]:
    """A Stage-B deployment of this name on the test server, as flow/deployment, and its id."""
    with get_client(sync_client=True) as client:
        return f"{stage_b.name}/{name}", client.create_deployment(flow_id=client.create_flow(stage_b), name=name)


def hand_over(published: Published, seen: list[uuid.UUID] | None = None, **hand_off: Any) -> dict[str, str] | None:
    """The hand-off task inside a flow of its own, whose run is added to `seen`."""
    store = split_manifest_uri(published.uri)[0]
    judge = JudgeConfig(rules=hand_off.pop("rules", ()))
    told = HandOffConfig(**hand_off)
    config = StageAConfig(mission=published.manifest.mission, store=store, hand_off=told, judge=judge)

    @flow(name=f"hand-over-{uuid.uuid4().hex[:8]}")
    def hand_over_flow() -> dict[str, str] | None:
        if seen is not None:
            seen.append(uuid.UUID(str(flow_run.id)))
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
    assert run.parameters["store"] == "s3://bucket"
    assert run.idempotency_key == f"stage-b-{published.sha256}"


@pytest.mark.parametrize("store", ["s3://bucket", "block://night"])
def test_nothing_that_stage_b_can_be_told_is_left_to_its_environment(published: Published, store: str) -> None:
    """A new setting of Stage-B has to be thought of where both ways of handing over are."""
    told = stage_b_parameters(StageAConfig(store=store, s3=S3Options(region="cn-north-1")), published)
    assert {*told} - {"handed_by"} == {*StageBConfig.model_fields}
    assert {*told["s3"]} == {*S3Options.model_fields}
    assert told["s3"]["region"] == "cn-north-1"
    assert (told["store"], told["manifest"]) == (store, f"{store}/{published.key}")


def another(published: Published) -> Published:
    """The same with another digest."""
    return Published(published.uri, published.key, uuid.uuid4().hex * 2, published.manifest, fresh=True)


def ended(run_id: str, state: State[Any]) -> None:
    """Say of a run that it has ended so."""
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(uuid.UUID(run_id), state, force=True)


@pytest.mark.parametrize("state", [Failed(), Crashed(), Completed()], ids=["failed", "crashed", "done"])
def test_a_run_that_ended_without_whole_tickets_is_followed_by_one_more(
    published_here: Published, deployment: str, state: State[Any]
) -> None:
    first = hand_over(published_here, deployment=deployment)
    assert first is not None
    ended(first["flow_run_id"], state)
    second = hand_over(published_here, deployment=deployment)
    assert second is not None
    assert second["flow_run_id"] != first["flow_run_id"]
    assert hand_over(published_here, deployment=deployment) == second
    store = LocalStore(split_manifest_uri(published_here.uri)[0])
    made = ingest(store, published_here.key, store)
    ended(second["flow_run_id"], Completed())
    assert hand_over(published_here, deployment=deployment) == first  # its tickets are there: none is started
    tickets = f"{made.key.rpartition('/')[0]}/tickets.jsonl"
    store.write(tickets, store.read(tickets)[:-9])
    third = hand_over(published_here, deployment=deployment)
    assert third is not None
    assert third["flow_run_id"] not in {first["flow_run_id"], second["flow_run_id"]}


def test_what_was_handed_over_for_tickets_is_handed_over_again_once_a_judge_is_asked_for(
    published: Published, deployment: str
) -> None:
    """And once more for another judge: what was judged before is no answer to it."""
    rules, model = ("至少需要BBU设备",), ModelConfig(base="/models/judge")
    asked: list[dict[str, Any]] = [
        {},
        {"judge": True},
        {"judge": True, "rules": rules},
        {"judge": True, "model": model},
    ]
    runs = [hand_over(published, deployment=deployment, **told) for told in asked]
    assert hand_over(published, deployment=deployment, **asked[-1]) == runs[-1]
    assert len({run["flow_run_id"] for run in runs if run is not None}) == len(asked)


def test_what_is_to_be_judged_goes_to_its_missions_deployment_if_there_is_one(published: Published) -> None:
    def taken_by(**hand_off: Any) -> uuid.UUID | None:
        run = hand_over(another(published), **hand_off)
        with get_client(sync_client=True) as client:
            return client.read_flow_run(uuid.UUID(run["flow_run_id"])).deployment_id if run else None

    with pytest.raises(ConfigError, match="there is no stage-b/air-baffle and no stage-b/stage-b"):
        taken_by(judge=True, mode="deployment")
    made = [deployed("stage-b")[1]]
    try:
        assert taken_by(judge=True) == made[0]
        made.append(deployed("air-baffle")[1])
        assert [taken_by(judge=True), taken_by()] == [made[1], made[0]]
    finally:
        with get_client(sync_client=True) as client:
            for one in made:
                client.delete_deployment(one)


def test_another_manifest_starts_another_run(published: Published, deployment: str) -> None:
    assert hand_over(published, deployment=deployment) != hand_over(another(published), deployment=deployment)


def test_without_the_deployment_it_is_left_to_the_flow(published: Published) -> None:
    assert hand_over(published, deployment="stage-b/nobody-made-this") is None


def test_a_deployment_that_is_asked_for_and_missing_is_refused_once(published: Published) -> None:
    """Nobody deploys it while we wait: a refusal is not tried again."""
    seen: list[uuid.UUID] = []
    with pytest.raises(ConfigError, match="there is no stage-b/nobody-made-this"):
        hand_over(published, seen, mode="deployment", deployment="stage-b/nobody-made-this")
    with get_client(sync_client=True) as client:
        runs = client.read_task_runs(
            task_run_filter=TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=seen)),
        )
    assert [(run.name.rpartition("-")[0], run.run_count) for run in runs] == [("hand-off", 1)]


@pytest.mark.parametrize("status", [408, 429, 500, 503, None])
def test_a_server_that_is_away_is_worth_another_try(
    published: Published, deployment: str, monkeypatch: pytest.MonkeyPatch, status: int | None
) -> None:
    """The run is published all the same, and its words say so."""
    asked = httpx.Request("POST", "http://127.0.0.1/api/deployments")

    def answer(**_: Any) -> Any:
        if status is None:
            raise httpx.ConnectError("refused", request=asked)
        raise httpx.HTTPStatusError("no", request=asked, response=httpx.Response(status, request=asked))

    monkeypatch.setattr("flows.hand_off.run_deployment", answer)
    with pytest.raises(PrefectUnavailable, match="the run is published, but the Prefect API does not answer") as caught:
        hand_off_run.fn(StageAConfig(hand_off=HandOffConfig(deployment=deployment)), published)
    assert caught.value.retryable


def test_a_deployment_of_another_release_that_refuses_the_parameters_is_refused_once(published: Published) -> None:
    @flow(name=f"old-{uuid.uuid4().hex[:8]}")
    def old(manifest: int) -> None:
        """Takes no path."""

    with get_client(sync_client=True) as client:
        schema = {"type": "object", "properties": {"manifest": {"type": "integer"}}, "additionalProperties": False}
        client.create_deployment(
            flow_id=client.create_flow(old), name="old", parameter_openapi_schema=schema, enforce_parameter_schema=True
        )
    with pytest.raises(ConfigError, match=f"Prefect refuses a run of {old.name}/old"):
        hand_over(published, mode="deployment", deployment=f"{old.name}/old")


@pytest.mark.parametrize("mode", ["inline", "none"])
def test_the_other_modes_start_no_deployment(published: Published, deployment: str, mode: str) -> None:
    assert hand_over(published, mode=mode, deployment=deployment) is None


def tickets_in(root: Path) -> list[Path]:
    """Files of tickets under a folder."""
    return sorted(root.rglob("tickets.jsonl"))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in; its `.env` and its profile name a store `production` for everything."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "production").mkdir()
    (tmp_path / "site.yaml").write_text("store: production\n", encoding="utf-8")
    (tmp_path / ".env").write_text("FIELDCHECK_STORE=production\nFIELDCHECK_PROFILE=site.yaml\n", encoding="utf-8")
    return tmp_path


def test_a_trial_beside_an_environment_that_names_production_writes_its_tickets_into_the_trial(
    given: dict[str, Any], elsewhere: Path
) -> None:
    summary = stage_a(**given, store="trial")
    assert summary["stage_b"]["tickets"] == summary["groups"] - summary["quarantined"]
    assert tickets_in(elsewhere) == tickets_in(elsewhere / "trial")
    assert not list((elsewhere / "production").rglob("*"))
    # By hand as well: the tickets of a run are made beside it, unless another store is given.
    (elsewhere / "trial" / "stage_b").rename(elsewhere / "first")
    by_hand = stage_b(manifest=summary["manifest"], judge=TICKETS_ALONE)
    assert by_hand["manifest"] == summary["stage_b"]["manifest"]
    assert not list((elsewhere / "production").rglob("*"))
    stage_b(manifest=summary["manifest"], store="second", judge=TICKETS_ALONE)
    assert len(tickets_in(elsewhere / "second")) == 1


def test_a_profile_that_only_the_run_was_given_counts_for_its_tickets_too(
    given: dict[str, Any], elsewhere: Path
) -> None:
    (elsewhere / ".env").write_text("FIELDCHECK_PROFILE=gone.yaml\n", encoding="utf-8")
    summary = stage_a(**given, profile="site.yaml")
    assert len(tickets_in(elsewhere / "production")) == 1
    assert summary["stage_b"]["started"]


def test_stage_b_has_what_only_the_block_of_the_store_knows(
    given: dict[str, Any], rclone_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials, endpoint and region: a server that checks signatures, and nothing of it in the environment."""
    for name in rclone_server.env:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    bucket, name = rclone_server.new_bucket(), f"target-{uuid.uuid4().hex[:8]}"
    PublishTarget(
        uri=f"s3://{bucket}/out",
        aws_credentials=rclone_server.credentials(),
        endpoint_url=rclone_server.endpoint,
        region="us-east-1",
    ).save(name, _sync=True)  # type: ignore[call-arg]
    summary = stage_a(**given, store=f"block://{name}")
    assert summary["stage_b"]["started"]
    keys = [info.key for info in open_store(f"block://{name}").list(f"stage_b/{MISSION}/")]
    assert sorted(key.rpartition("/")[2] for key in keys) == [
        "labels.jsonl",
        "manifest.json",
        "submissions.jsonl",
        "tickets.jsonl",
        "unjudged.jsonl",
    ]
