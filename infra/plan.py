"""Which changes a deploy makes, decided before any of them is made, and how they are told. Pure but for reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from prefect.client.orchestration import SyncPrefectClient

from configs.errors import ConfigError, Fault
from infra.memory import Memory
from infra.merging import MISSING, Leaf, Merged, merge
from infra.server_deployments import Deployment
from infra.things import Thing

# Environments and templates may hold what a person wants nobody to read.
_UNSAID = {"job_variables", "base_job_template"}
_LONGEST = 60


@dataclass
class Step:
    """A thing, what is there of it, and what will be."""

    thing: Thing
    there: Any
    merged: Merged

    def write(self, client: SyncPrefectClient) -> str:
        """Write it; the line that says so."""
        if self.merged.value is MISSING:
            return f"{self.thing.name} is not there"
        written = self.thing.write(client, self.there, self.merged.value)
        if self.there is MISSING:
            return self.thing.name
        return f"{self.thing.name} {'is brought up to date' if written else 'is there'}"

    def remarks(self) -> list[str]:
        """What a person should know of it: what was changed though it was changed by hand, and what is kept."""
        lines = [f"{'.'.join(one.path)}: {_values(one)}" for one in self.merged.changed if self.there is not MISSING]
        lines += [f"KEPT {'.'.join(one.path)}: {_values(one, kept=True)}" for one in self.merged.kept]
        return [*lines, *self.thing.notes]


def make_plan(client: SyncPrefectClient, things: Sequence[Thing], memory: Memory, reset: bool) -> list[Step]:
    """Read all that is there and merge. Raises ConfigError when a deployment would have parameters that its flow
    does not take."""
    steps = [_step(thing, thing.read(client), memory, reset) for thing in things]
    faults = [
        Fault(
            step.thing.name,
            f"its parameters, with what was changed by hand, do not fit the flow: {error}",
            "change them in the UI, or deploy with --reset",
        )
        for step in steps
        if isinstance(step.thing, Deployment)
        for error in step.thing.told.misfits(step.merged.value["parameters"])
    ]
    if faults:
        raise ConfigError(faults)
    return steps


def _step(thing: Thing, there: Any, memory: Memory, reset: bool) -> Step:
    if there is MISSING:
        return Step(thing, there, _made(thing, deleted=thing.name in memory.deployed and not reset))
    bases = memory.bases(thing.name)
    if reset:
        bases = [there]
    elif not bases:
        # Deployed by a release that kept no memory: what people change most is kept, the rest is the files'.
        bases = [{key: thing.wanted[key] if key in thing.kept_unknown else one for key, one in there.items()}]
    return Step(thing, there, merge(bases, there, thing.wanted))


def _made(thing: Thing, deleted: bool) -> Merged:
    """What is made of a thing that is not there. A deploy deletes nothing, so what it made once a person deleted."""
    if not deleted:
        return Merged(thing.wanted)
    if not thing.needed:
        thing.notes.append("it was deleted by hand and stays so; --reset makes it again")
        return Merged(MISSING)
    thing.notes.append("it was deleted by hand, and is made again: runs need it")
    if not (schedules := thing.wanted.get("schedules")):
        return Merged(thing.wanted)
    kept = [Leaf(("schedules", slug), MISSING, one) for slug, one in schedules.items()]
    return Merged({**thing.wanted, "schedules": {}}, kept=kept)


def _values(leaf: Leaf, kept: bool = False) -> str:
    if _UNSAID & set(leaf.path):
        return "changed by hand" if kept else "as the files have it"
    there, wanted = _short(leaf.there), _short(leaf.wanted)
    if kept:
        return f"{there}, changed by hand; the files say {wanted}"
    return f"{there} -> {wanted}" + (" (both files and people changed it)" if leaf.by_hand else "")


def _short(value: Any) -> str:
    text = str(value) if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def nights(steps: Sequence[Step], say: Callable[[str], None]) -> None:
    """Say which missions run by themselves after this deploy, and why others do not."""
    found = {
        step.thing.told.name: _why_off(step.merged.value)
        for step in steps
        if isinstance(step.thing, Deployment) and step.thing.wanted["schedules"]
    }
    off = {name: why for name, why in found.items() if why}
    if len(off) < len(found):
        say(f"nights       ON for {len(found) - len(off)} of {len(found)} missions")
    else:
        say("nights       OFF for all missions; --nights on switches them on")
        return
    for name, why in off.items():
        say(f"             off: {name} ({why})")


def _why_off(document: dict[str, Any]) -> str:
    """Empty for a mission that runs by itself."""
    if document["paused"]:
        return "the deployment is paused"
    if not document["schedules"]:
        return "its schedule was deleted"
    return "" if any(one["active"] for one in document["schedules"].values()) else "its schedule is paused"
