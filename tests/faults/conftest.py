"""Fixtures of the runs in child processes: a small mission, one launcher, one undisturbed run. Knows no fault."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from blocks.local_store import LocalStore
from tests.demo import Demo
from tests.faults.runs import MISSION, Launcher, Run, load_once, published

GROUPS = (
    "审核不通过/QC-20260305-0005",
    "审核通过/QC-20260305-0005",
    "QC-20260310-0011",
    "审核不通过/QC-20260308-0008",
)
"""The resubmitted group twice, an unlabelled one, and the one with the truncated photo."""
PHOTOS = 12
"""Different photos in them."""


@pytest.fixture(scope="session")
def launcher(demo: Demo, prefect_harness: str, tmp_path_factory: pytest.TempPathFactory) -> Launcher:
    """Starts children that talk to the session's Prefect server."""
    photos = tmp_path_factory.mktemp("faults-photos")
    for group in GROUPS:
        shutil.copytree(Path(demo.photos) / MISSION / group, photos / MISSION / group)
    environment = {
        "PREFECT_API_URL": prefect_harness,
        "PREFECT_HOME": str(tmp_path_factory.mktemp("faults-prefect")),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "HF_HUB_OFFLINE": "1",
        # Two children and a server on two cores: threads of one model that wait for each other only cost time.
        "OMP_NUM_THREADS": "1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        load_once()
    return Launcher(photos, demo.checkpoint, demo.judge, tmp_path_factory.mktemp("faults-runs"), environment)


@pytest.fixture(scope="session")
def undisturbed(launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, LocalStore]:
    """One run that nothing disturbs, Stage-B included, and its store."""
    store = tmp_path_factory.mktemp("faults-reference")
    run = launcher.start(store, stage_b=True)
    assert run.wait() == 0, run.stderr
    assert len(run.inferred) == len(set(run.inferred)) == PHOTOS
    return run, LocalStore(store)


@pytest.fixture(scope="session")
def reference(undisturbed: tuple[Run, LocalStore]) -> Mapping[str, bytes]:
    """Every published file of the undisturbed run, by key."""
    return published(undisturbed[1])
