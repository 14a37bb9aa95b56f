"""What the tests of the demo share: the expanded checkpoint and the generated photos, each made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.demo import pack, photos


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack.expand(tmp_path_factory.mktemp("demo") / "checkpoint")


@pytest.fixture(scope="session")
def photo_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo") / "photos"
    photos.generate(root)
    return root
