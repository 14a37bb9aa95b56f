"""What tests share: the demo's expanded checkpoint and its photos, and a server to deploy to, each made once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from infra import deploy as deploying
from infra.demo import pack, photos
from tests.site import TestSite, sqlite_site


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack.expand(tmp_path_factory.mktemp("demo") / "checkpoint")


@pytest.fixture(scope="session")
def photo_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo") / "photos"
    photos.generate(root)
    return root


HEALED = "fieldcheck: dead runs crash"


@dataclass
class Server:
    """A server, and `make deploy` into it from this process."""

    site: TestSite
    run: Callable[..., str]

    def deployment(self, path: str) -> Any:
        return self.site.ask("GET", f"/deployments/name/{path}")

    def schedule(self, path: str) -> Any:
        (found,) = [one for one in self.deployment(path)["schedules"] if one["slug"]]
        return found

    def change(self, path: str, body: dict[str, Any]) -> None:
        """As the UI changes a deployment."""
        self.site.ask("PATCH", f"/deployments/{self.deployment(path)['id']}", body)

    def reschedule(self, path: str, body: dict[str, Any]) -> None:
        """As the UI changes a schedule."""
        where = f"/deployments/{self.deployment(path)['id']}/schedules/{self.schedule(path)['id']}"
        self.site.ask("PATCH", where, body)

    def automation(self, name: str = HEALED) -> Any:
        (found,) = [one for one in self.site.ask("POST", "/automations/filter", {}) if one["name"] == name]
        return found


@pytest.fixture(scope="session")
def deploy_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestSite]:
    """A server with a password, of SQLite; a server takes long to start, so it is one for the whole session."""
    folder = tmp_path_factory.mktemp("deploy")
    env = {
        "FIELDCHECK_STORE": str(folder / "store"),
        "FIELDCHECK_MODEL__BASE": str(folder),
    }
    with sqlite_site(folder, env) as site:
        yield site


@pytest.fixture
def server(
    deploy_site: TestSite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Server]:
    """The server, with nights on and reset to what the files say. Its tests are of the xdist group `deploy`."""
    site = deploy_site
    for name, value in site.env.items():
        if name.startswith(("PREFECT_API", "FIELDCHECK_")):
            monkeypatch.setenv(name, value)

    def run(*words: str, code: int = 0) -> str:
        monkeypatch.setattr("sys.argv", ["deploy", *words])
        assert deploying.main() == code, capsys.readouterr().err
        return capsys.readouterr().err

    with temporary_settings({one: site.env[one.name] for one in (PREFECT_API_URL, PREFECT_API_AUTH_STRING)}):
        run("--site", "local", "--nights", "on", "--reset")
        yield Server(site, run)
