"""How a published run reaches Stage-B: through its deployment, or inside the same process. Knows no step of Stage-B."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import httpx
from prefect import get_run_logger, task
from prefect.artifacts import create_link_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas import State
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run

from configs.errors import ConfigError, Fault, PrefectUnavailable
from configs.missions import known_missions
from configs.parts import LeaseConfig
from configs.stage_a import StageAConfig
from configs.stage_b import StageBConfig
from flows.stage_b import stage_b
from tasks.common.retry import RETRIED
from tasks.runs.keys import split_manifest_uri
from tasks.runs.publish import Published
from tasks.runs.report import safe
from tasks.runs.task import flow_run_page, mission_slug, shown_if_possible
from tasks.tickets.ingest import Ingested
from tasks.tickets.task import find_tickets

ANY_MISSION = "stage-b/stage-b"
"""The deployment that takes runs of any mission: what it makes by itself are tickets, which wait for no device."""

_JUDGE = ("judge", "model", "merge", "engine")
"""What of Stage-B's parameters decides a judgement, beside the manifest."""

_PASSING = frozenset({408, 425, 429})
"""HTTP statuses below 500 that say "later" and not "no"."""


def stage_b_parameters(config: StageAConfig, published: Published) -> dict[str, Any]:
    """What Stage-B is told of a run, in whatever process it runs: nothing is left to the environment of that process,
    but for the key of an endpoint, which is never written down.

    Tickets go to the store that the run is in. A block keeps the credentials too, and Stage-B needs them.
    """
    block = config.store.startswith("block://")
    store = config.store if block else split_manifest_uri(published.uri)[0]
    shared = {*StageBConfig.model_fields} & {*StageAConfig.model_fields}
    told = config.model_dump(mode="json", include=shared, exclude={"engine": {"endpoint": {"api_key"}}})
    return {
        **told,
        "manifest": f"{store.rstrip('/')}/{published.key}",
        "sha256": published.sha256,
        "store": store,
        "checkpoint_block": None,  # what it says is in `model`
        "model": (config.hand_off.model or config.model).model_dump(mode="json"),
        "force": False,
        "lease": {name: getattr(config.publishing, name) for name in LeaseConfig.model_fields},
        "judge": {**told["judge"], "enabled": config.hand_off.judge},
        "labels": None,
        "handed_by": flow_run.id and str(flow_run.id),
    }


@task(name="hand-off", cache_policy=NO_CACHE, **RETRIED)
def hand_off_run(config: StageAConfig, published: Published) -> dict[str, str] | None:
    """Start a Stage-B deployment for a manifest and a judge, once however often it is asked, as long as its tickets are
    whole.

    Deployment, id and name of its run; None where Stage-B is not to be started here: there is no such deployment, or
    the mode says so. Raises ConfigError if the mode asks for the deployment and it does not exist, or if it refuses
    the run; PrefectUnavailable if the API does not answer.
    """
    mode, names = config.hand_off.mode, stage_b_deployments(config)
    if mode in {"inline", "none"}:
        return None
    with _translated(names[-1]), get_client(sync_client=True) as client:
        deployment = _first_of(client, names)
    if deployment is None:
        if mode == "auto":
            return None
        raise _missing(names)
    with _translated(deployment):
        parameters = stage_b_parameters(config, published)
        run = _start(deployment, parameters, key := _key(parameters))
        # A run that did not end well, or whose tickets were damaged since, is followed by one more.
        while run.state is not None and run.state.is_final() and not _is_done(config, published, run.state):
            run = _start(deployment, parameters, f"{key}-after-{run.id}")
    get_run_logger().info("handed %s to %s: run %s", published.uri, deployment, run.name)
    with shown_if_possible():
        create_link_artifact(
            link=flow_run_page(run.id),
            link_text=f"Stage-B: {safe(str(run.name))}",
            key=f"stage-a-{mission_slug(config.mission)}-hand-off",
            description=f"Stage-B's run for manifest {published.sha256[:12]}",
        )
    return {"deployment": deployment, "flow_run_id": str(run.id), "flow_run_name": str(run.name)}


def stage_b_deployments(config: StageAConfig) -> tuple[str, ...]:
    """The deployments that may take a run, as flow/deployment, the best one first."""
    if config.hand_off.deployment is not None:
        return (config.hand_off.deployment,)
    known = known_missions().get(config.mission)
    return (f"stage-b/{known.slug}", ANY_MISSION) if config.hand_off.judge and known else (ANY_MISSION,)


def stage_b_inline(config: StageAConfig, published: Published, profile: str | None = None) -> dict[str, Any]:
    """Stage-B inside this run, once a manifest: what the embedded set-up has in place of a deployment."""
    if config.hand_off.mode == "none":
        return {}
    found = None if config.hand_off.judge else _find_tickets(config, published)  # what is judged already costs little
    if found is not None:
        return {"manifest": found.uri, "sha256": found.sha256, "tickets": found.tickets, "started": False}
    return {**stage_b(**stage_b_parameters(config, published), profile=profile), "started": True}


def _find_tickets(config: StageAConfig, published: Published) -> Ingested | None:
    return find_tickets(config.store, config.s3, config.mission, published.sha256)


def _is_done(config: StageAConfig, published: Published, state: State[Any]) -> bool:
    return (state.is_completed() or not config.hand_off.judge) and _find_tickets(config, published) is not None


def _first_of(client: SyncPrefectClient, names: Sequence[str]) -> str | None:
    for name in names:
        with suppress(ObjectNotFound):
            client.read_deployment_by_name(name)
            return name
    return None


def _key(parameters: dict[str, Any]) -> str:
    """One run a manifest; of those that judge, one a manifest and judge: what was judged before is no answer to it."""
    key = f"stage-b-{parameters['sha256']}"
    if not parameters["judge"]["enabled"]:
        return key
    judge = json.dumps({name: parameters[name] for name in _JUDGE}, sort_keys=True)
    return f"{key}-{hashlib.sha256(judge.encode()).hexdigest()[:16]}"


def _start(deployment: str, parameters: dict[str, Any], key: str) -> Any:
    return run_deployment(name=deployment, parameters=parameters, timeout=0, as_subflow=False, idempotency_key=key)


@contextmanager
def _translated(deployment: str) -> Iterator[None]:
    """Prefect's errors as ours: a refusal is one however often it is asked for, all else may pass."""
    try:
        yield
    except ObjectNotFound as error:  # it was deleted this moment
        raise _missing([deployment]) from error
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        if status >= 500 or status in _PASSING:
            raise PrefectUnavailable(_unavailable(error)) from error
        what = f"Prefect refuses a run of {deployment} (HTTP {status})"
        cure = "deploy this release again, and look at PREFECT_API_AUTH_STRING and at the deployment's parameters"
        raise ConfigError([Fault("hand_off.deployment", what, cure)]) from error
    except httpx.HTTPError as error:
        raise PrefectUnavailable(_unavailable(error)) from error


def _missing(names: Sequence[str]) -> ConfigError:
    cure = "deploy it, or set hand_off.mode; the run is published, the same command again hands it over"
    return ConfigError([Fault("hand_off.deployment", f"there is no {' and no '.join(names)}", cure)])


def _unavailable(error: httpx.HTTPError) -> str:
    return (
        f"the run is published, but the Prefect API does not answer ({type(error).__name__}), so that Stage-B was not "
        "started: check PREFECT_API_URL and that the server is up, and run the same command again"
    )
