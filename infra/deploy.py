"""`python -m infra.deploy --site local`: all that a Prefect server must know of Fieldcheck.

It writes what the files changed since the last deploy, and keeps what people changed on the server since
(`infra/merging.py`); all faults are found before the first change. A deploy that fails or is killed half-way is
completed by the next one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import get_current_settings

from blocks.embedded_server import has_shared_server
from blocks.schedules import check_schedules
from configs.errors import ConfigError
from configs.missions import Mission, load_missions
from infra.memory import recall
from infra.plan import Step, make_plan, nights
from infra.server_automations import site_automations
from infra.server_deployments import site_deployments
from infra.site_blocks import alert_block, make_blocks, site_blocks
from infra.sites import SITES, Site, judge_block
from infra.things import places
from infra.wanted import Settings

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Command line; exit code 2 when something that it needs is missing, 1 when a change failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", choices=SITES, help="where runs are executed; as the last time, or local")
    parser.add_argument(
        "--nights", choices=("on", "off"), help="whether cron schedules are active; as the last time, or off for local"
    )
    parser.add_argument("--gpus", type=int, metavar="N", help="GPUs of a machine of the site; as the last time, or 1")
    parser.add_argument("--reset", action="store_true", help="undo what people changed on the server since")
    options = parser.parse_args()
    if not has_shared_server():
        return _complain("set PREFECT_API_URL to a Prefect server; `make server` starts one on this machine")
    try:
        missions = load_missions()
        check_schedules(missions)
        with get_client(sync_client=True) as client:
            return deploy(client, missions, options)
    except ConfigError as error:
        return _complain(str(error))
    except PrefectHTTPStatusError as error:
        return _complain(f"the Prefect server refused {error.request.method} {error.request.url}: {_reason(error)}")
    except httpx.HTTPError as error:
        url = get_current_settings().api.url
        return _complain(f"no Prefect server answers at {url} ({type(error).__name__}); `make server` starts one")


def deploy(client: SyncPrefectClient, missions: dict[str, Mission], options: argparse.Namespace) -> int:
    """Everything, for one site; the exit code. Raises ConfigError for faults, before anything is changed."""
    memory = recall(client)
    site = SITES[options.site or memory.site or "local"]
    blocks = site_blocks(site)
    has_judge = any(block.name == judge_block(site.name) for block in blocks)
    settings = _settings(site, options, memory.settings.get(site.name, {}), has_judge)
    if settings.gpus < 1 or (settings.gpus > 1 and site.name == "local"):
        return _complain(f"--gpus {settings.gpus}: at least 1, and 1 for the site local, which runs on the CPU")
    ground = places(site, settings.gpus)
    things = [*ground, *site_deployments(client, site, settings, missions, version(), memory)]
    plan = make_plan(client, things, memory, options.reset)
    memory.begin({thing.name: thing.wanted for thing in things})
    if memory.site not in (None, site.name):
        _say(f"site         {site.name}: the missions run here from now on, and not at {memory.site}")
    if not _write(client, plan[: len(ground)]):
        return 1
    make_blocks(client, blocks, _say)
    alerts = alert_block(client, _say)
    telling = make_plan(client, site_automations(alerts), memory, options.reset)
    memory.begin({step.thing.name: step.thing.wanted for step in telling})
    if not _write(client, [*plan[len(ground) :], *telling]):
        return 1
    memory.end(site.name, asdict(settings))
    nights(plan, _say)
    return 0


def _settings(site: Site, options: argparse.Namespace, last: dict[str, Any], has_judge: bool) -> Settings:
    """What was asked for, else what was deployed to the site last, else the site's own. `has_judge`: profile or
    environment name a checkpoint that judges."""
    night = options.nights == "on" if options.nights else last.get("nights", site.name != "local")
    image = os.environ.get("FIELDCHECK_IMAGE") or last.get("image", "fieldcheck:gpu")
    judge = judge_block(site.name) if has_judge else last.get("judge", site.name)
    return Settings(night, options.gpus if options.gpus is not None else last.get("gpus", 1), image, judge)


def version() -> str:
    """What git calls this checkout; `unknown` outside of one."""
    if told := os.environ.get("FIELDCHECK_VERSION"):
        return told
    command = ["git", "describe", "--always", "--dirty", "--tags"]
    try:
        return subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _write(client: SyncPrefectClient, steps: list[Step]) -> bool:
    """Make the changes, one after the other, and say them; whether all were made."""
    for step in steps:
        try:
            _say(step.write(client))
        except (httpx.HTTPError, subprocess.CalledProcessError) as error:
            _say(f"deploy: stopped at {step.thing.name}: {_reason(error)}")
            _say("deploy: what is listed above is deployed, the rest is as it was; run the same again to complete it")
            return False
        for remark in step.remarks():
            _say(f"             {remark}")
    return True


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError) and error.response.status_code == httpx.codes.UNAUTHORIZED:
        return "it wants a password: set PREFECT_API_AUTH_STRING to user:password"
    if isinstance(error, httpx.HTTPStatusError):
        return f"{error.response.status_code} {error.response.text[:300]}"
    if isinstance(error, subprocess.CalledProcessError):
        return f"{' '.join(error.cmd[3:6])} failed, as told above"
    return f"{type(error).__name__}: no answer"


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _complain(message: str) -> int:
    sys.stderr.write(f"deploy: {message}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
