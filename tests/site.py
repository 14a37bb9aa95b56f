"""A site for tests: a Prefect server on SQLite or on PostgreSQL and Redis, deployments, workers. Knows no test."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.demo import Demo
from tests.processes import Process
from tests.servers import HOST, free_port, wait_for_http
from tests.workers import PREFECT, REPOSITORY

POSTGRES = os.environ.get("FIELDCHECK_TEST_POSTGRES", "postgresql://root@127.0.0.1:5432/postgres")
REDIS = os.environ.get("FIELDCHECK_TEST_REDIS", "redis://127.0.0.1:6379")
_POLL_SECONDS = 0.5


@dataclass
class TestSite:
    """A server that runs, and how to talk to it."""

    __test__ = False

    env: dict[str, str]
    folder: Path
    servers: list[Process]
    api: httpx.Client
    workers: list[Process] = field(default_factory=list)

    def prefect(self, *words: str) -> str:
        """`prefect` as a person types it; its output."""
        done = subprocess.run(
            [PREFECT, "--no-prompt", *words], env=self.env, cwd=REPOSITORY, capture_output=True, text=True, timeout=180
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def deploy(self, **extra: str) -> str:
        """`make deploy` without make; what it says."""
        done = subprocess.run(
            [sys.executable, "-m", "infra.deploy"],
            env={**self.env, **extra},
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stderr

    def worker(self, **extra: str) -> Process:
        """A worker of the pool `local`, on one thread a run."""
        process = Process(
            [sys.executable, "-m", "infra.worker", "--pool", "local"],
            {**self.env, "OMP_NUM_THREADS": "1", **extra},
            self.folder / f"worker-{len(self.workers)}.log",
        )
        process.start()
        self.workers.append(process)
        return process

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """An answer of the REST API; asked again while the server is away."""
        for _ in range(120):
            try:
                answer = self.api.request(method, path, json=body)
                if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:  # its database is locked
                    time.sleep(1)
                    continue
                answer.raise_for_status()
                return answer.json() if answer.content else None
            except httpx.TransportError:
                time.sleep(1)
        raise AssertionError("the Prefect server did not come back")

    def start_run(self, deployment: str, **parameters: Any) -> str:
        """A run by `prefect deployment run`, as the README has it; its id."""
        words = [word for name, value in parameters.items() for word in ("-p", f"{name}={_told(value)}")]
        self.prefect("deployment", "run", deployment, *words)
        flow, name = deployment.split("/")
        body = {
            "deployments": {"name": {"any_": [name]}},
            "flows": {"name": {"any_": [flow]}},
            "sort": "EXPECTED_START_TIME_DESC",
            "limit": 1,
        }
        return str(self.ask("POST", "/flow_runs/filter", body)[0]["id"])

    def run_of(self, run: str) -> Any:
        """A flow run."""
        return self.ask("GET", f"/flow_runs/{run}")

    def states(self, run: str) -> list[tuple[float, str]]:
        """Times, in seconds since the epoch, and names of a run's states, oldest first."""
        from datetime import datetime

        found = self.ask("GET", f"/flow_run_states/?flow_run_id={run}")
        told = [(datetime.fromisoformat(one["timestamp"]).timestamp(), one["name"]) for one in found]
        return sorted(told)

    def wait_for(self, run: str, *states: str, seconds: float = 240.0) -> Any:
        """The run, once its state has one of these names. Fails the test when it ends otherwise or takes too long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = self.run_of(run)
            if found["state_name"] in states:
                return found
            if found["state_type"] in {"FAILED", "CANCELLED"}:
                break
            time.sleep(_POLL_SECONDS)
        logs = "\n".join(self.logs(run)[-30:])
        pytest.fail(f"run is {found['state_name']}: {found['state']['message']}; states {self.states(run)}\n{logs}")

    def logs(self, run: str) -> list[str]:
        """What a run logged."""
        body = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC", "limit": 200}
        return [f"{line['timestamp']} {line['message']}" for line in self.ask("POST", "/logs/filter", body)]

    def hasten(self, automation: str, seconds: int) -> None:
        """Have an automation that waits for what does not come wait no longer than this: Prefect's least is 10 s."""
        (found,) = (one for one in self.ask("POST", "/automations/filter", {}) if one["name"] == automation)
        told = {key: found[key] for key in ("name", "description", "enabled", "trigger", "actions")}
        self.ask("PUT", f"/automations/{found['id']}", {**told, "trigger": {**found["trigger"], "within": seconds}})

    def artifacts(self, run: str) -> dict[str, Any]:
        """A run's artifacts, by key."""
        body = {"artifacts": {"flow_run_id": {"any_": [run]}}}
        return {one["key"]: one for one in self.ask("POST", "/artifacts/filter", body)}


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def demo_site(database: str, folder: Path, demo: Demo) -> AbstractContextManager[TestSite]:
    """A site on `sqlite` or `postgres` whose runs read the demo's photos and write to a store in `folder`. They are not
    judged, unless a run is told so: what it hands over would be at work in the tests that come after it."""
    env = {
        "FIELDCHECK_STORE": str(folder / "store"),
        "FIELDCHECK_INPUT_ROOT": demo.photos,
        "FIELDCHECK_MODEL__BASE": demo.checkpoint,
        "FIELDCHECK_ANSWER_KEY": demo.answers,
        "FIELDCHECK_HAND_OFF__JUDGE": "false",
        "FIELDCHECK_HAND_OFF__MODEL__BASE": demo.judge,
    }
    return (sqlite_site if database == "sqlite" else postgres_site)(folder, env)


@contextmanager
def sqlite_site(folder: Path, env: Mapping[str, str]) -> Iterator[TestSite]:
    """A server as `make server` starts it: one process, SQLite, behind the guard, a password."""
    with _site(folder, env, [[sys.executable, "-m", "infra.own_server"]], _password()) as site:
        yield site


@contextmanager
def postgres_site(folder: Path, env: Mapping[str, str]) -> Iterator[TestSite]:
    """The server profile: API and background services apart, PostgreSQL, Redis, a password. Skips without those two."""
    with _database() as url, _redis() as (host, port, number):
        settings = {
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": url,
            "PREFECT_MESSAGING_BROKER": "prefect_redis.messaging",
            "PREFECT_MESSAGING_CACHE": "prefect_redis.messaging",
            "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
            "PREFECT_REDIS_MESSAGING_HOST": host,
            "PREFECT_REDIS_MESSAGING_PORT": str(port),
            "PREFECT_REDIS_MESSAGING_DB": str(number),
            **_password(),
        }
        commands = [[PREFECT, "server", "start", "--no-services"], [PREFECT, "server", "services", "start"]]
        with _site(folder, env, commands, settings) as site:
            yield site


def _password() -> dict[str, str]:
    told = f"admin:{uuid.uuid4().hex}"
    return {"PREFECT_SERVER_API_AUTH_STRING": told, "PREFECT_API_AUTH_STRING": told}


@contextmanager
def _site(
    folder: Path, env: Mapping[str, str], commands: list[list[str]], settings: Mapping[str, str]
) -> Iterator[TestSite]:
    port = free_port()
    url = f"http://{HOST}:{port}/api"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "FIELDCHECK_"))}
    shared = {
        **kept,
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_PROFILES_PATH": str(folder / "profiles.toml"),
        "PREFECT_API_URL": url,
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "DO_NOT_TRACK": "1",
        "FIELDCHECK_HOME": str(REPOSITORY),
        **settings,
        **env,
    }
    user, _, password = shared.get("PREFECT_API_AUTH_STRING", "").partition(":")
    # As `make server` and compose have it: a server is not told where its own API is, but where people find the UI.
    told = {name: value for name, value in shared.items() if name != "PREFECT_API_URL"}
    told["PREFECT_UI_URL"] = url.removesuffix("/api")
    servers = [Process(command, told, folder / f"server-{number}.log") for number, command in enumerate(commands)]
    with httpx.Client(base_url=url, auth=(user, password) if user else None, timeout=30, trust_env=False) as api:
        site = TestSite(shared, folder, servers, api)
        try:
            for process in servers:
                process.start()
                wait_for_http(f"{url}/health", servers[0].popen, servers[0].log)
            token = api.get("/csrf-token", params={"client": "tests"})
            if token.is_success:  # where changes want one
                api.headers.update({"Prefect-Csrf-Client": "tests", "Prefect-Csrf-Token": token.json()["token"]})
            yield site
        finally:
            for process in [*site.workers, *reversed(servers)]:
                process.stop()


@contextmanager
def _database() -> Iterator[str]:
    """A database of its own on the PostgreSQL server, as SQLAlchemy writes it."""
    import asyncpg

    _reached("PostgreSQL", POSTGRES, 5432)
    name = f"fieldcheck_{uuid.uuid4().hex[:12]}"

    async def execute(statement: str) -> None:
        connection = await asyncpg.connect(POSTGRES)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(execute(f'CREATE DATABASE "{name}"'))
    try:
        told = urlsplit(POSTGRES)
        yield told._replace(scheme="postgresql+asyncpg", path=f"/{name}").geturl()
    finally:
        asyncio.run(execute(f'DROP DATABASE "{name}" WITH (FORCE)'))


@contextmanager
def _redis() -> Iterator[tuple[str, int, int]]:
    """Host, port and number of a database of Redis in which there is nothing; it is emptied again."""
    from redis import Redis

    host, port = _reached("Redis", REDIS, 6379)
    for number in range(15, 0, -1):
        with Redis(host=host, port=port, db=number) as client:
            if client.dbsize():
                continue
            try:
                yield host, port, number
            finally:
                client.flushdb()
            return
    pytest.skip(f"every database of Redis at {host}:{port} has something in it")


def _reached(what: str, url: str, port: int) -> tuple[str, int]:
    """Host and port of a URL. Skips the test when nobody listens there."""
    import socket

    told = urlsplit(url)
    host, port = told.hostname or HOST, told.port or port
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        pytest.skip(f"no {what} at {host}:{port}; FIELDCHECK_TEST_POSTGRES and FIELDCHECK_TEST_REDIS name others")
    return host, port
