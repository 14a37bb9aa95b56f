"""The deployments that missions and sites ask for, and `infra/prefect.yaml`, which shows them: `python -m
infra.deployments` writes it. Asks no server.

`make deploy` deploys the same for one site (`infra/sites.py`) and reads no file; `$FIELDCHECK_...` are filled in by
`infra/wanted.py`, and on the worker's machine.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from configs.missions import Mission, load_missions
from infra.sites import ENGINE_QUEUE, SITES, Site, slots

PREFECT_FILE = Path(__file__).with_name("prefect.yaml")

HEARTBEAT_SECONDS = 30
"""How often a deployed run gives a sign of life: as often as Prefect can."""

GRACE_SECONDS = 600
"""How long a mission's place stays taken when its run dies before it began.

One that dies later gives it back when it crashes. It is long, as a run that takes longer to begin, because an image is
fetched first, loses its place to another run of the mission that waits, and is then cancelled, which nobody is told.
"""

SITE, JUDGE, PROFILE, NIGHTS, VERSION, IMAGE, HOME = (
    f"{{{{ $FIELDCHECK_{name} }}}}" for name in ("SITE", "JUDGE", "SITE_PROFILE", "NIGHTS", "VERSION", "IMAGE", "HOME")
)

_HEADER = """\
# Written by `python -m infra.deployments` from configs/missions/*.yaml and infra/sites.py: edit those.
# It shows what `make deploy` deploys, for one GPU; nothing reads it but people and `prefect deploy`.
"""


def prefect_file(missions: dict[str, Mission], gpus: int = 1) -> dict[str, Any]:
    """The contents of `infra/prefect.yaml`, for a site that has so many GPUs: each run works on all of them."""
    return {
        "name": "fieldcheck",
        # Resolved on the worker's machine: where it has its checkout.
        "pull": [{"prefect.deployments.steps.set_working_directory": {"directory": HOME}}],
        "deployments": [
            *(_ad_hoc(site, gpus) for site in SITES.values()),
            *(_night(mission, gpus) for mission in missions.values()),
            *(_judging(mission) for mission in missions.values()),
            _other(
                "stage-b",
                "flows.stage_b.stage_b",
                "Any manifest. Stage-A starts it for tickets alone, or where its mission has no deployment of Stage-B.",
                {"profile": PROFILE, "checkpoint_block": JUDGE, "slots": slots(SITE, 1)},
            ),
            _other(
                "dense-caption",
                "flows.dense_caption.dense_caption",
                "Captions every photo of a folder, with the place of every object.",
                {"profile": PROFILE, "checkpoint_block": SITE, "store": f"block://{SITE}", "slots": slots(SITE, 1)},
                queue=ENGINE_QUEUE,
            ),
            _other(
                "merge-checkpoint",
                "flows.merge_checkpoint.merge_checkpoint",
                "Merges adapters into their base, ahead of the runs that need it.",
                {"profile": PROFILE, "slots": slots(SITE, 1)},
                queue=ENGINE_QUEUE,
            ),
            _other("infer-piece", "flows.infer_piece.infer_piece", "A piece of another run; Stage-A starts it.", {}),
        ],
    }


def select(site: str, missions: dict[str, Mission]) -> list[str]:
    """The names, as flow/deployment, of what is deployed for a site: of the file's deployments by `path_of`."""
    return [
        f"stage-a/{site}",
        *(f"stage-a/{mission.slug}" for mission in missions.values()),
        *(f"stage-b/{mission.slug}" for mission in missions.values()),
        "stage-b/stage-b",
        "dense-caption/dense-caption",
        "merge-checkpoint/merge-checkpoint",
        "infer-piece/infer-piece",
    ]


def path_of(deployment: dict[str, Any]) -> str:
    """A deployment of the file as flow/deployment: two of one name may be of two flows."""
    return f"{deployment['entrypoint'].rpartition('.')[2].replace('_', '-')}/{deployment['name']}"


def _ad_hoc(site: Site, gpus: int) -> dict[str, Any]:
    return _deployment(
        site.name,
        "flows.stage_a.stage_a",
        f"Any mission, asked for by a person. {site.note}",
        pool=site.name,
        queue=ENGINE_QUEUE,
        tags=["stage-a", "ad-hoc"],
        parameters=_stage_a_parameters(site.name, site.profile, gpus),
    )


def _night(mission: Mission, gpus: int) -> dict[str, Any]:
    deployment = _deployment(
        mission.slug,
        "flows.stage_a.stage_a",
        f"{mission.name}: {mission.focus}",
        pool=SITE,
        queue=ENGINE_QUEUE,
        tags=["stage-a", "mission", mission.name],
        parameters={"mission": mission.name, **_stage_a_parameters(SITE, PROFILE, gpus)},
    )
    # A night that takes longer than a day loses nothing.
    deployment["concurrency_limit"] = _one_at_a_time()
    if mission.schedule is not None:
        schedule = {"cron": mission.schedule.cron, "timezone": mission.schedule.timezone}
        deployment["schedules"] = [{"slug": mission.slug, **schedule, "active": NIGHTS}]
    return deployment


def _judging(mission: Mission) -> dict[str, Any]:
    deployment = _deployment(
        mission.slug,
        "flows.stage_b.stage_b",
        f"Judges {mission.name}: the newest run, where no other manifest is given. Stage-A starts it for what is to be "
        "judged.",
        pool=SITE,
        queue=ENGINE_QUEUE,
        tags=["stage-b", mission.name],
        parameters={
            "manifest": f"block://{SITE}/stage_a/{mission.name}/latest.json",
            "profile": PROFILE,
            "checkpoint_block": JUDGE,
            "slots": slots(SITE, 1),
        },
    )
    deployment["concurrency_limit"] = _one_at_a_time()
    return deployment


def _one_at_a_time() -> dict[str, Any]:
    """A second run of the mission waits for the first."""
    return {"limit": 1, "collision_strategy": "ENQUEUE", "grace_period_seconds": GRACE_SECONDS}


def _stage_a_parameters(site: str, profile: str, gpus: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "profile": profile,
        "checkpoint_block": site,
        "store": f"block://{site}",
        "slots": slots(site, gpus),
        "hand_off": {"mode": "deployment"},
    }
    if gpus > 1:
        found["devices"] = [f"cuda:{number}" for number in range(gpus)]
    return found


def _other(
    name: str, entrypoint: str, description: str, parameters: dict[str, Any], queue: str = "default"
) -> dict[str, Any]:
    return _deployment(name, entrypoint, description, pool=SITE, queue=queue, tags=[name], parameters=parameters)


def _deployment(
    name: str, entrypoint: str, description: str, *, pool: str, queue: str, tags: list[str], parameters: dict[str, Any]
) -> dict[str, Any]:
    variables: dict[str, Any] = {
        "env": {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS), "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
    }
    # A pool of processes knows no image, and does not mind one.
    if pool not in SITES or SITES[pool].pool_type != "process":
        variables["image"] = IMAGE
    return {
        "name": name,
        "version": VERSION,
        "description": description,
        "tags": ["fieldcheck", *tags],
        "entrypoint": entrypoint,
        "enforce_parameter_schema": True,
        "parameters": parameters,
        "work_pool": {"name": pool, "work_queue_name": queue, "job_variables": variables},
    }


def write(path: Path = PREFECT_FILE) -> None:
    """Write the file for the missions that ship in `configs/missions/`."""
    path.write_text(as_text(load_missions()), encoding="utf-8")


def as_text(missions: dict[str, Mission]) -> str:
    """The file's text."""
    return _HEADER + yaml.safe_dump(prefect_file(missions), allow_unicode=True, sort_keys=False, width=120)


if __name__ == "__main__":
    sys.exit(write())
