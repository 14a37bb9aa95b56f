"""Where Fieldcheck runs: each site has a work pool, a profile, a concurrency limit and blocks. Knows no Prefect."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Site:
    """A place where runs are executed. Work pool, checkpoint block and publish target have the site's name."""

    name: str
    profile: str
    pool_type: str
    note: str
    """What its ad-hoc deployment is for, one sentence."""
    at_once: int
    """Most runs that load a model, started and not ended: one in the slot, and others ready to follow it."""


def judge_block(site: str) -> str:
    """The block of the checkpoint that judges, where it is not the one that writes summaries."""
    return f"{site}-judge"


def slots(site: str, devices: int) -> list[str]:
    """The concurrency limits of a site's devices: runs hold a slot of each while a model is loaded on it."""
    return [f"{site}-{number}" for number in range(devices)]


ENGINE_QUEUE = "engine"
"""Work queue of the runs that load a model. What they wait for, pieces and Stage-B, is in the pool's other queue."""

SITES = {
    site.name: site
    for site in (
        Site("local", "demo", "process", "This machine's CPU, the demo checkpoint and photos.", 3),
        Site("gpu", "gpu", "process", "A machine with one GPU, in a process of its worker.", 3),
        Site("docker", "gpu", "docker", "A container on a machine with a GPU.", 3),
        # A pod has its GPU while it waits for the slot.
        Site("kubernetes", "gpu", "kubernetes", "A pod on a node with a GPU.", 1),
    )
}
