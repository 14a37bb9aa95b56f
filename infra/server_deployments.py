"""Deployments on a Prefect server: how they and their schedules are read, made and changed. Decides nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from prefect.client.orchestration import SyncPrefectClient

from configs.missions import Mission
from infra.memory import Memory
from infra.merging import MISSING
from infra.sites import Site
from infra.things import Thing, get, send
from infra.wanted import Settings, WantedDeployment, deployments, retired

_TITLE = "deployment   "


@dataclass
class Deployment:
    """A deployment with its schedules, which are known by their slugs; a schedule without our slug is a person's."""

    name: str
    wanted: dict[str, Any]
    told: WantedDeployment
    kept_unknown: tuple[str, ...] = ("paused", "schedules", "concurrency_limit", "concurrency_options")
    needed: bool = True
    notes: list[str] = field(default_factory=list)
    _found: dict[str, Any] = field(default_factory=dict)

    def read(self, client: SyncPrefectClient) -> Any:
        found = get(client, f"/deployments/name/{self.told.flow}/{self.told.name}")
        if found is None:
            return MISSING
        self._found = found
        document = {key: found[key] for key in self.wanted if key not in ("schedules", "concurrency_limit")}
        document["concurrency_limit"] = (found["global_concurrency_limit"] or {}).get("limit")
        document["schedules"] = {
            one["slug"]: {key: one["schedule"].get(key) for key in ("cron", "timezone")} | {"active": one["active"]}
            for one in found["schedules"]
            if one["slug"]
        }
        return {key: document[key] for key in self.wanted}

    def write(self, client: SyncPrefectClient, there: Any, document: dict[str, Any]) -> bool:
        plain = {key: one for key, one in document.items() if key != "schedules"}
        schedules = document["schedules"]
        if there is MISSING:
            flow = client.create_flow_from_name(self.told.flow)
            made = [_schedule(slug, one) for slug, one in schedules.items()]
            body = {"flow_id": str(flow), "name": self.told.name, **self.told.code, **plain}
            send(client, "POST", "/deployments/", {**body, "schedules": made})
            return True
        changed = {key: one for key, one in plain.items() if there[key] != one}
        changed |= {key: one for key, one in self.told.code.items() if self._found.get(key) != one}
        if {"work_pool_name", "work_queue_name"} & changed.keys():
            changed |= {key: plain[key] for key in ("work_pool_name", "work_queue_name")}
        where = f"/deployments/{self._found['id']}"
        if changed:
            send(client, "PATCH", where, changed)
        ids = {one["slug"]: one["id"] for one in self._found["schedules"] if one["slug"]}
        for slug in {*ids, *schedules}:
            before, after = there["schedules"].get(slug), schedules.get(slug)
            if before == after:
                continue
            if after is None:
                send(client, "DELETE", f"{where}/schedules/{ids[slug]}")
            elif before is None:
                send(client, "POST", f"{where}/schedules", [_schedule(slug, after)])
            else:
                send(client, "PATCH", f"{where}/schedules/{ids[slug]}", _changed_schedule(slug, before, after))
        return bool(changed) or there != document


@dataclass
class Retired:
    """A deployment whose mission's file is gone: it is paused, and its runs and their logs stay."""

    name: str
    path: str
    wanted: dict[str, Any] = field(default_factory=lambda: {"paused": True})
    kept_unknown: tuple[str, ...] = ()
    needed: bool = True
    notes: list[str] = field(default_factory=list)

    def read(self, client: SyncPrefectClient) -> Any:
        self.notes.append(f"its mission has no file any more; `prefect deployment delete {self.path}` removes it")
        return {"paused": get(client, f"/deployments/name/{self.path}")["paused"]}

    def write(self, client: SyncPrefectClient, there: Any, document: dict[str, Any]) -> bool:
        if there != document:
            found = get(client, f"/deployments/name/{self.path}")
            send(client, "PATCH", f"/deployments/{found['id']}", document)
        return bool(there != document)


def site_deployments(
    client: SyncPrefectClient,
    site: Site,
    settings: Settings,
    missions: dict[str, Mission],
    version: str,
    memory: Memory,
) -> list[Thing]:
    """The site's deployments, and those on the server whose mission is gone."""
    known = [name.removeprefix(_TITLE) for name in memory.deployed if name.startswith(_TITLE)]
    return [
        *(
            Deployment(f"{_TITLE}{one.flow}/{one.name}", one.document, one)
            for one in deployments(site, settings, missions, version)
        ),
        *(
            Retired(f"{_TITLE}{path}", path)
            for path in retired(known, missions)
            if get(client, f"/deployments/name/{path}") is not None
        ),
    ]


def _schedule(slug: str, told: dict[str, Any]) -> dict[str, Any]:
    cron = {"cron": told["cron"], "timezone": told["timezone"]}
    return {"slug": slug, "active": told["active"], "schedule": cron}


def _changed_schedule(slug: str, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What to send of a schedule: a person's may be an interval, which has no cron line to send back."""
    changed = {key for key in after if before.get(key) != after[key]}
    whole = _schedule(slug, after)
    return {
        key: one
        for key, one in whole.items()
        if key == "slug" or key in changed or (key == "schedule" and changed - {"active"})
    }
