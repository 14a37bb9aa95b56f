"""`python -m infra.deploy --site local`: all that a Prefect server must know of Fieldcheck.

Makes, if they are not there: work pool, its queue for runs that load a model, concurrency limit, the site's checkpoint
and publish-target blocks, the alert block. What a person changed of them in the UI stays. Then it deploys
`infra/prefect.yaml` and the automations.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from uuid import UUID

import httpx
from prefect.blocks.core import Block
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings
from prefect_aws import AwsCredentials

from blocks.model_checkpoint import ModelCheckpoint
from blocks.publish_target import PublishTarget
from blocks.server import has_shared_server
from configs.errors import ConfigError
from configs.missions import load_missions
from configs.parts import ModelConfig
from configs.settings import merge
from configs.stage_a import StageAConfig
from configs.stores import LocalLocation, parse_store_uri
from infra.automations import deploy_automations
from infra.deployments import PREFECT_FILE, select, write
from infra.sites import ENGINE_QUEUE, SITES, Site, slots

ROOT = Path(__file__).parents[1]
PREFECT = [sys.executable, "-P", "-m", "prefect", "--no-prompt"]
ALERTS = "fieldcheck-alerts"
"""Name of the notification block that automations tell people with."""


def main() -> int:
    """Command line; exit code 2 when something that it needs is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", choices=SITES, default="local", help="where runs are executed")
    parser.add_argument("--nights", choices=("on", "off"), help="whether cron schedules are active; off for local")
    parser.add_argument("--gpus", type=int, default=1, metavar="N", help="GPUs of a machine of the site")
    options = parser.parse_args()
    if options.gpus < 1 or (options.gpus > 1 and options.site == "local"):
        return _complain(f"--gpus {options.gpus}: at least 1, and 1 for the site local, which runs on the CPU")
    if not has_shared_server():
        return _complain("set PREFECT_API_URL to a Prefect server; `make server` starts one on this machine")
    site = SITES[options.site]
    nights = options.nights or ("off" if site.name == "local" else "on")
    try:
        deploy(site, nights == "on", options.gpus)
    except ConfigError as error:
        return _complain(str(error))
    except httpx.HTTPError as error:
        url = get_current_settings().api.url
        return _complain(f"no Prefect server answers at {url} ({type(error).__name__}); `make server` starts one")
    except subprocess.CalledProcessError as error:
        return _complain(f"{' '.join(error.cmd[2:5])} failed, as told above")
    return 0


def deploy(site: Site, nights: bool, gpus: int) -> None:
    """Everything, for one site. Raises ConfigError for faults in missions or profile, CalledProcessError if Prefect
    refuses a deployment."""
    missions = load_missions()
    with get_client(sync_client=True) as client:
        _make_pool(client, site)
        _make_queue(client, site)
        for name in slots(site.name, gpus):
            _make_limit(client, name)
        for kind in (ModelCheckpoint, PublishTarget, AwsCredentials):
            kind.register_type_and_schema()
        _make_blocks(client, site)
        alerts = _alert_block(client)
    # The committed file is that of one GPU.
    file = PREFECT_FILE if gpus == 1 else PREFECT_FILE.with_name(f".prefect-{gpus}-gpus.yaml")
    write(file, gpus)
    variables = {
        "FIELDCHECK_SITE": site.name,
        "FIELDCHECK_SITE_PROFILE": site.profile,
        "FIELDCHECK_NIGHTS": str(nights).lower(),
        "FIELDCHECK_VERSION": version(),
        "FIELDCHECK_IMAGE": os.environ.get("FIELDCHECK_IMAGE", "fieldcheck:gpu"),
    }
    names = [word for name in select(site.name, missions) for word in ("-n", name.partition("/")[2])]
    command = [*PREFECT, "deploy", "--prefect-file", str(file.relative_to(ROOT)), *names]
    # Prefect would write this machine's checkout into the deployments: each worker has its own.
    _run(command, {name: value for name, value in os.environ.items() if name != "FIELDCHECK_HOME"} | variables)
    for name in select(site.name, missions):
        _say(f"deployment   {name}")
    for name in deploy_automations(alerts):
        _say(f"automation   {name}")


def version() -> str:
    """What git calls this checkout; `unknown` outside of one."""
    if told := os.environ.get("FIELDCHECK_VERSION"):
        return told
    command = ["git", "describe", "--always", "--dirty", "--tags"]
    try:
        return subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _make_pool(client: SyncPrefectClient, site: Site) -> None:
    try:
        client.read_work_pool(site.name)
        _say(f"work pool    {site.name} is there")
        return
    except ObjectNotFound:
        pass
    words = ["work-pool", "create", site.name, "--type", site.pool_type]
    template = ROOT / "infra" / site.name / "base-job-template.json"
    if template.exists():
        words += ["--base-job-template", str(template)]
    _run([*PREFECT, *words], os.environ)
    _say(f"work pool    {site.name} ({site.pool_type})")


def _run(command: Sequence[str], env: Mapping[str, str]) -> None:
    """A command of Prefect's, whose words are only of interest when it fails."""
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.stderr.write(done.stdout)
        raise subprocess.CalledProcessError(done.returncode, command)


def _make_queue(client: SyncPrefectClient, site: Site) -> None:
    what = f"work queue   {site.name}/{ENGINE_QUEUE}"
    try:
        client.read_work_queue_by_name(ENGINE_QUEUE, site.name)
        _say(f"{what} is there")
    except ObjectNotFound:
        client.create_work_queue(ENGINE_QUEUE, concurrency_limit=site.at_once, work_pool_name=site.name)
        _say(f"{what}: {site.at_once} at once")


def _make_limit(client: SyncPrefectClient, name: str) -> None:
    try:
        client.read_global_concurrency_limit_by_name(name)
        _say(f"limit        {name} is there")
    except ObjectNotFound:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=1))
        _say(f"limit        {name}: 1")


def _make_blocks(client: SyncPrefectClient, site: Site) -> None:
    """The site's blocks from profile and environment; told, and left to a person, where those do not say enough."""
    raw, faults = merge(StageAConfig, {}, site.profile)
    if faults:
        raise ConfigError(faults)
    model = ModelConfig.model_validate(raw.get("model") or {})
    base = model.merged or model.base
    adapters = [] if model.merged else [_absolute(one) for one in model.adapters]
    _make_block(
        client,
        ModelCheckpoint,
        site.name,
        (lambda: ModelCheckpoint(checkpoint=_absolute(base), adapters=adapters)) if base else None,
        "FIELDCHECK_MODEL__BASE",
    )
    store = str(raw.get("store") or "")
    _make_block(
        client,
        PublishTarget,
        site.name,
        (lambda: PublishTarget(uri=_absolute(store))) if store else None,
        "FIELDCHECK_STORE",
    )


def _make_block(
    client: SyncPrefectClient, kind: type[Block], name: str, make: Callable[[], Block] | None, variable: str
) -> None:
    slug = kind.get_block_type_slug()
    if _block_id(client, slug, name) is not None:
        _say(f"block        {slug}/{name} is there")
    elif make is None:
        _say(f"block        {slug}/{name} IS MISSING: save one in the UI, or set {variable} and deploy again")
    else:
        make().save(name)
        _say(f"block        {slug}/{name}")


def _alert_block(client: SyncPrefectClient) -> UUID | None:
    """The notification block named `ALERTS`, of whatever kind; a webhook's is made of FIELDCHECK_ALERT_URL."""
    for slug in ("custom-webhook", "slack-webhook", "ms-teams-webhook", "pager-duty-webhook", "sendgrid-email"):
        if (found := _block_id(client, slug, ALERTS)) is not None:
            _say(f"block        {slug}/{ALERTS} is there")
            return found
    url = os.environ.get("FIELDCHECK_ALERT_URL")
    if not url:
        _say(
            f"alerts       off: save a notification block {ALERTS} in the UI, or set FIELDCHECK_ALERT_URL; deploy again"
        )
        return None
    # WeCom and DingTalk robots read this form.
    message = {"msgtype": "text", "text": {"content": "{{subject}}\n{{body}}"}}
    CustomWebhookNotificationBlock(name=ALERTS, url=url, json_data=message).save(ALERTS)
    _say(f"block        custom-webhook/{ALERTS}")
    return _block_id(client, "custom-webhook", ALERTS)


def _block_id(client: SyncPrefectClient, slug: str, name: str) -> UUID | None:
    try:
        return client.read_block_document_by_name(name, slug).id
    except ObjectNotFound:
        return None


def _absolute(path: str) -> str:
    """A local path as workers find it wherever they stand; other URIs as they are."""
    location = parse_store_uri(path)
    return str((ROOT / Path(location.path).expanduser()).resolve()) if isinstance(location, LocalLocation) else path


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _complain(message: str) -> int:
    sys.stderr.write(f"deploy: {message}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
