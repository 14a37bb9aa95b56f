"""Automations on a Prefect server: how they are read, made and changed. Decides nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.schemas.automations import AutomationCore

from infra.automations import automations
from infra.merging import MISSING
from infra.things import Thing, send


@dataclass
class NamedAutomation:
    """An automation. Of several with one name, which a request that was sent twice leaves, one stays."""

    name: str
    wanted: dict[str, Any]
    automation: str
    kept_unknown: tuple[str, ...] = ("enabled",)
    needed: bool = False
    notes: list[str] = field(default_factory=list)
    _ids: list[str] = field(default_factory=list)

    def read(self, client: SyncPrefectClient) -> Any:
        found = sorted(client.read_automations_by_name(self.automation), key=lambda one: str(one.id))
        self._ids = [str(one.id) for one in found]
        return _document(found[0]) if found else MISSING

    def write(self, client: SyncPrefectClient, there: Any, document: dict[str, Any]) -> bool:
        body = {"name": self.automation, **document}
        for double in self._ids[1:]:
            send(client, "DELETE", f"/automations/{double}")
        if there is MISSING:
            send(client, "POST", "/automations/", body)
        # Whatever is put in its place forgets the events it has counted.
        elif there != document:
            send(client, "PUT", f"/automations/{self._ids[0]}", body)
        return there != document or len(self._ids) > 1


def site_automations(alerts: UUID | None) -> list[Thing]:
    """The automations, which are the same at all sites."""
    return [
        NamedAutomation(f"automation   {name}", document, name)
        for name, document in ((one.name, _document(one)) for one in automations(alerts))
    ]


def _document(automation: AutomationCore) -> dict[str, Any]:
    """An automation as JSON in which sets come in one order, so that two can be compared."""
    document = automation.model_dump(mode="json", exclude={"id", "name", "owner_resource"})
    trigger = document["trigger"]
    for key in ("expect", "after", "for_each"):
        if key in trigger:  # a person may have put a trigger of another kind in its place
            trigger[key] = sorted(trigger[key])
    return document
