"""The blocks of a site: checkpoint and publish target from profile and environment, and the one that tells people.

A block that is there is a person's, and is left as it is; where the environment says something else, that is told.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.blocks.core import Block
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound
from prefect_aws import AwsCredentials
from pydantic import ValidationError

from blocks.model_checkpoint import ModelCheckpoint
from blocks.publish_target import PublishTarget
from configs.errors import ConfigError, Fault
from configs.parts import ModelConfig
from configs.settings import merge
from configs.stage_a import StageAConfig
from configs.stores import LocalLocation, parse_store_uri
from infra.sites import Site, judge_block

ROOT = Path(__file__).parents[1]
ALERTS = "fieldcheck-alerts"
"""Name of the notification block that automations tell people with."""
_NOTIFIERS = ("custom-webhook", "slack-webhook", "ms-teams-webhook", "pager-duty-webhook", "sendgrid-email")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class SiteBlock:
    """A block of a site: name, kind, what it is made of if that is known, and the variable that would say it."""

    name: str
    kind: type[Block]
    made: Block | None
    variable: str


def site_blocks(site: Site) -> list[SiteBlock]:
    """The blocks as profile and environment have them, asked of no server; one of the checkpoint that judges only where
    they name one. Raises ConfigError for faults in them."""
    raw, faults = merge(StageAConfig, {}, site.profile)
    if faults:
        raise ConfigError(faults)
    try:
        reads = _checkpoint(raw.get("model"))
        judges = _checkpoint((raw.get("hand_off") or {}).get("model"))
        store = str(raw.get("store") or "")
        target = PublishTarget(uri=_absolute(store)) if store else None
        found = [
            SiteBlock(site.name, ModelCheckpoint, reads, "FIELDCHECK_MODEL__BASE"),
            SiteBlock(site.name, PublishTarget, target, "FIELDCHECK_STORE"),
        ]
        if judges is not None:
            name = judge_block(site.name)
            found.append(SiteBlock(name, ModelCheckpoint, judges, "FIELDCHECK_HAND_OFF__MODEL__BASE"))
        return found
    except ValidationError as error:
        told = [Fault(f"{site.profile}: {'.'.join(map(str, one['loc']))}", one["msg"]) for one in error.errors()]
        raise ConfigError(told) from error


def _checkpoint(told: Any) -> ModelCheckpoint | None:
    model = ModelConfig.model_validate(told or {})
    base = model.merged or model.base
    adapters = [] if model.merged else [_absolute(one) for one in model.adapters]
    return ModelCheckpoint(checkpoint=_absolute(base), adapters=adapters) if base else None


def make_blocks(client: SyncPrefectClient, blocks: list[SiteBlock], say: Say) -> None:
    """Save the blocks that are not there."""
    for kind in (ModelCheckpoint, PublishTarget, AwsCredentials):
        kind.register_type_and_schema()
    for block in blocks:
        slug = block.kind.get_block_type_slug()
        if (there := _read(client, slug, block.name)) is not None:
            say(f"block        {slug}/{block.name} is there")
            told = block.made.model_dump(mode="json", include={"checkpoint", "adapters", "uri"}) if block.made else {}
            for key in [key for key, one in told.items() if there.get(key) != one]:
                say(f"             KEPT {key}: edit the block to change it; {block.variable} or the profile differs")
        elif block.made is None:
            cure = f"save one in the UI, or set {block.variable}; deploy again"
            say(f"block        {slug}/{block.name} IS MISSING: {cure}")
        else:
            block.made.save(block.name)
            say(f"block        {slug}/{block.name}")


def alert_block(client: SyncPrefectClient, say: Say) -> UUID | None:
    """The notification block named `ALERTS`, of whatever kind; a webhook's is made of FIELDCHECK_ALERT_URL."""
    for slug in _NOTIFIERS:
        if (found := _id(client, slug)) is not None:
            say(f"block        {slug}/{ALERTS} is there")
            return found
    url = os.environ.get("FIELDCHECK_ALERT_URL")
    if not url:
        say(
            f"alerts       off: save a notification block {ALERTS} in the UI, or set FIELDCHECK_ALERT_URL; deploy again"
        )
        return None
    # WeCom and DingTalk robots read this form.
    message = {"msgtype": "text", "text": {"content": "{{subject}}\n{{body}}"}}
    CustomWebhookNotificationBlock(name=ALERTS, url=url, json_data=message).save(ALERTS)
    say(f"block        custom-webhook/{ALERTS}")
    return _id(client, "custom-webhook")


def _id(client: SyncPrefectClient, slug: str) -> UUID | None:
    try:
        return client.read_block_document_by_name(ALERTS, slug).id
    except ObjectNotFound:
        return None


def _read(client: SyncPrefectClient, slug: str, name: str) -> dict[str, Any] | None:
    try:
        return dict(client.read_block_document_by_name(name, slug).data)
    except ObjectNotFound:
        return None


def _absolute(path: str) -> str:
    """A local path as workers find it wherever they stand; other URIs as they are."""
    location = parse_store_uri(path)
    return str((ROOT / Path(location.path).expanduser()).resolve()) if isinstance(location, LocalLocation) else path
