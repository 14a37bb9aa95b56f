"""What a deploy writes to a Prefect server: how a thing is read, made and changed, and what runs need first: pool,
queue, limits. Decides nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx
from prefect.client.orchestration import SyncPrefectClient

from infra.merging import MISSING
from infra.sites import ENGINE_QUEUE, Site, slots
from infra.wanted import pool_document, pool_template

ROOT = Path(__file__).parents[1]
PREFECT = [sys.executable, "-P", "-m", "prefect", "--no-prompt"]
"""Prefect's own command line, for what its REST API has no call for."""


class Thing(Protocol):
    """One object of a Prefect server: its name, the document that the files want, and how to read and write it."""

    name: str
    wanted: dict[str, Any]
    kept_unknown: tuple[str, ...]
    """Keys that people change most: kept even when it is not known what was deployed last."""
    needed: bool
    """Whether runs cannot do without it: then it is made again when a person deleted it."""
    notes: list[str]
    """What else a person should know of it; found by `read`."""

    def read(self, client: SyncPrefectClient) -> Any:
        """The same document as it is there; MISSING when there is none."""

    def write(self, client: SyncPrefectClient, there: Any, document: dict[str, Any]) -> bool:
        """Make the object, or change what differs; whether anything was written."""


@dataclass
class Pool:
    """A work pool."""

    name: str
    wanted: dict[str, Any]
    pool: str
    kind: str
    template: Path
    kept_unknown: tuple[str, ...] = ("base_job_template",)
    needed: bool = True
    notes: list[str] = field(default_factory=list)

    def read(self, client: SyncPrefectClient) -> Any:
        if (found := get(client, f"/work_pools/{self.pool}")) is None:
            return MISSING
        if found["type"] != self.kind:
            self.notes.append(f"it is of type {found['type']}, the site's is {self.kind}")
        if found["is_paused"]:
            self.notes.append("it is PAUSED: no run of it starts")
        return {key: found[key] for key in self.wanted}

    def write(self, client: SyncPrefectClient, there: Any, document: dict[str, Any]) -> bool:
        if there is MISSING:
            # Prefect's own command knows the job template of each kind of pool.
            words = ["work-pool", "create", self.pool, "--type", self.kind]
            words += ["--base-job-template", str(self.template)] if document else []
            run_quietly([*PREFECT, *words], os.environ)
        elif there != document:
            send(client, "PATCH", f"/work_pools/{self.pool}", document)
        return bool(there != document)


@dataclass
class Queue:
    """A work queue of a pool."""

    name: str
    wanted: dict[str, Any]
    pool: str
    queue: str
    kept_unknown: tuple[str, ...] = ("concurrency_limit",)
    needed: bool = True
    notes: list[str] = field(default_factory=list)

    def read(self, client: SyncPrefectClient) -> Any:
        if (found := get(client, f"/work_pools/{self.pool}/queues/{self.queue}")) is None:
            return MISSING
        if found["is_paused"]:
            self.notes.append("it is PAUSED: no run of it starts")
        return {key: found[key] for key in self.wanted}

    def write(self, client: SyncPrefectClient, there: Any, document: dict[str, Any]) -> bool:
        if there is MISSING:
            send(client, "POST", f"/work_pools/{self.pool}/queues", {"name": self.queue, **document})
        elif there != document:
            send(client, "PATCH", f"/work_pools/{self.pool}/queues/{self.queue}", document)
        return bool(there != document)


@dataclass
class Limit:
    """A global concurrency limit."""

    name: str
    wanted: dict[str, Any]
    limit: str
    kept_unknown: tuple[str, ...] = ("limit", "active")
    needed: bool = True
    notes: list[str] = field(default_factory=list)

    def read(self, client: SyncPrefectClient) -> Any:
        found = get(client, f"/v2/concurrency_limits/{self.limit}")
        return MISSING if found is None else {key: found[key] for key in self.wanted}

    def write(self, client: SyncPrefectClient, there: Any, document: dict[str, Any]) -> bool:
        if there is MISSING:
            send(client, "POST", "/v2/concurrency_limits/", {"name": self.limit, **document})
        elif there != document:
            send(client, "PATCH", f"/v2/concurrency_limits/{self.limit}", document)
        return bool(there != document)


def places(site: Site, gpus: int) -> list[Thing]:
    """What deployments need: the site's pool, its queue for runs that load a model, a limit for each device."""
    return [
        Pool(f"work pool    {site.name}", pool_document(site), site.name, site.pool_type, pool_template(site)),
        Queue(f"work queue   {site.name}/{ENGINE_QUEUE}", {"concurrency_limit": site.at_once}, site.name, ENGINE_QUEUE),
        *(Limit(f"limit        {name}", {"limit": 1, "active": True}, name) for name in slots(site.name, gpus)),
    ]


def get(client: SyncPrefectClient, path: str) -> Any:
    """What the API has there; None for nothing."""
    try:
        return send(client, "GET", path).json()
    except httpx.HTTPStatusError as error:
        if error.response.status_code == httpx.codes.NOT_FOUND:
            return None
        raise


def send(client: SyncPrefectClient, method: Any, path: Any, body: Any = None) -> httpx.Response:
    answer = client.request(method, path, json=body)
    answer.raise_for_status()
    return answer


def run_quietly(command: Sequence[str], env: Mapping[str, str]) -> None:
    """A command of Prefect's, whose words are only of interest when it fails. Raises CalledProcessError."""
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.stderr.write(done.stdout)
        raise subprocess.CalledProcessError(done.returncode, command)
