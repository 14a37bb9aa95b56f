"""What the files say a Prefect server should hold, as its REST API takes it. Asks no server.

Each thing has a name, such as `deployment stage-a/air-baffle`, and a document: the part of it that is merged with
what people changed (`infra/merging.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect.flows import Flow
from prefect.utilities.callables import parameter_schema
from prefect.utilities.importtools import import_object
from prefect.utilities.schema_tools.validation import validate

from configs.missions import Mission
from infra.deployments import path_of, prefect_file, select
from infra.sites import SITES, Site

ROOT = Path(__file__).parents[1]

# Written as the code has them, whatever is there: no person edits them, and a run could not begin with others.
_OF_THE_CODE = ("version", "entrypoint", "path", "pull_steps", "enforce_parameter_schema", "parameter_openapi_schema")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a deploy is told; what it is not told is as it was the last time."""

    nights: bool
    gpus: int
    image: str
    judge: str
    """Block of the checkpoint that judges."""


@dataclass(frozen=True, slots=True)
class WantedDeployment:
    """A deployment: what is merged, and what is the code's own."""

    flow: str
    name: str
    document: dict[str, Any]
    code: dict[str, Any]

    def misfits(self, parameters: dict[str, Any]) -> list[str]:
        """What the flow does not take of these parameters; the mission may be missing, as a person gives it."""
        schema = self.code["parameter_openapi_schema"]
        unknown = [f"{name} is no parameter" for name in parameters if name not in schema["properties"]]
        return unknown + [error.message for error in validate(parameters, schema, ignore_required=True)]


def deployments(site: Site, settings: Settings, missions: dict[str, Mission], version: str) -> list[WantedDeployment]:
    """The deployments of a site."""
    file = prefect_file(missions, settings.gpus)
    variables = {
        "SITE": site.name,
        "JUDGE": settings.judge,
        "SITE_PROFILE": site.profile,
        "NIGHTS": str(settings.nights).lower(),
        "VERSION": version,
        "IMAGE": settings.image,
    }
    by_path = {path_of(one): one for one in file["deployments"]}
    return [
        _deployment(path.partition("/")[0], _filled(by_path[path], variables), file["pull"])
        for path in select(site.name, missions)
    ]


def retired(known: list[str], missions: dict[str, Mission]) -> list[str]:
    """Deployments that were deployed once and that no site has any more: their mission's file is gone."""
    there = {name for site in SITES for name in select(site, missions)}
    return [name for name in known if name not in there]


def pool_template(site: Site) -> Path:
    """Where a site's job template would be."""
    return ROOT / "infra" / site.name / "base-job-template.json"


def pool_document(site: Site) -> dict[str, Any]:
    """The work pool: its template where the site has one of ours."""
    template = pool_template(site)
    return {"base_job_template": json.loads(template.read_text(encoding="utf-8"))} if template.exists() else {}


def _filled(value: Any, variables: dict[str, str]) -> Any:
    """A value of `infra/prefect.yaml` with its variables filled in; `{{ $FIELDCHECK_HOME }}` stays for the worker."""
    if isinstance(value, dict):
        return {key: _filled(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, variables) for one in value]
    if isinstance(value, str):
        for name, word in variables.items():
            value = value.replace(f"{{{{ $FIELDCHECK_{name} }}}}", word)
    return value


def _deployment(flow_name: str, told: dict[str, Any], pull: list[dict[str, Any]]) -> WantedDeployment:
    flow: Flow[..., Any] = import_object(told["entrypoint"])
    assert flow.name == flow_name, f"{told['entrypoint']} is the flow {flow.name}, not {flow_name}"
    limit = told.get("concurrency_limit")
    document = {
        "paused": False,
        "description": told["description"],
        "tags": told["tags"],
        "parameters": told["parameters"],
        "work_pool_name": told["work_pool"]["name"],
        "work_queue_name": told["work_pool"]["work_queue_name"],
        "job_variables": told["work_pool"]["job_variables"],
        "concurrency_limit": limit["limit"] if limit else None,
        "concurrency_options": {key: one for key, one in limit.items() if key != "limit"} if limit else None,
        "schedules": {
            one["slug"]: {"cron": one["cron"], "timezone": one["timezone"], "active": one["active"] == "true"}
            for one in told.get("schedules", [])
        },
    }
    code = {
        "version": told["version"],
        "entrypoint": told["entrypoint"],
        "path": None,
        "pull_steps": pull,
        "enforce_parameter_schema": told["enforce_parameter_schema"],
        "parameter_openapi_schema": parameter_schema(flow).model_dump(mode="json", exclude_unset=True),
    }
    assert tuple(sorted(code)) == tuple(sorted(_OF_THE_CODE))
    return WantedDeployment(flow_name, told["name"], document, code)
