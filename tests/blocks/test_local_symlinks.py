"""Symlinks in a local store: none leads out of it, and those that stay inside work."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.errors import ObjectMissing, StoreDenied
from blocks.local_store import LocalStore


def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_text("secret")
    return folder


def test_symlinks_that_leave(local: LocalStore, root: Path, tmp_path: Path) -> None:
    away = outside(tmp_path)
    (root / "file").symlink_to(away / "secret.txt")
    (root / "folder").symlink_to(away)
    (root / "up").symlink_to("..")
    local.write("kept", b"x")
    for key in ("file", "folder/secret.txt", "up/outside/secret.txt"):
        for use in (local.read, local.open, local.stat):
            with pytest.raises(StoreDenied, match="symlink"):
                use(key)
    for key in ("folder/new", "up/new", "folder/new/deeper"):
        with pytest.raises(StoreDenied, match="symlink"):
            local.write(key, b"x")
        with pytest.raises(StoreDenied, match="symlink"):
            local.delete(key)
    for listing in (local.list, local.folders):
        with pytest.raises(StoreDenied, match="symlink"):
            listing("folder/")
    assert [info.key for info in local.list()] == ["kept"]
    assert list(local.folders()) == []
    local.write("file", b"ours now")  # replaces the link, not what it points to
    assert (away / "secret.txt").read_text() == "secret"
    local.delete("up")
    assert sorted(path.name for path in away.iterdir()) == ["secret.txt"]


def test_a_neighbour_with_the_same_beginning_is_outside(local: LocalStore, root: Path) -> None:
    neighbour = root.with_name("root2")
    neighbour.mkdir()
    (neighbour / "a").write_text("secret")
    (root / "link").symlink_to(neighbour / "a")
    with pytest.raises(StoreDenied):
        local.read("link")


def test_symlinks_that_stay(local: LocalStore, root: Path) -> None:
    local.write("real/a.jpg", b"abc")
    (root / "linked.jpg").symlink_to("real/a.jpg")
    (root / "linked").symlink_to("real")
    assert local.read("linked.jpg") == local.read("linked/a.jpg") == b"abc"
    assert sorted(info.key for info in local.list()) == ["linked.jpg", "linked/a.jpg", "real/a.jpg"]
    assert {info.size for info in local.list()} == {3}
    assert sorted(local.folders()) == ["linked", "real"]


def test_the_root_may_be_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    store = LocalStore(tmp_path / "link")
    store.write("a/b", b"x")
    assert store.read("a/b") == b"x"
    assert [info.key for info in store.list()] == ["a/b"]


def test_symlinks_in_circles(local: LocalStore, root: Path) -> None:
    local.write("a/x", b"x")
    (root / "a/again").symlink_to("..")
    (root / "b").symlink_to("a")
    (root / "self").symlink_to("self")
    (root / "gone").symlink_to("nowhere")
    keys = [info.key for info in local.list()]
    assert {"a/x", "b/x", "a/again/a/x"} <= set(keys)
    assert len(keys) < 10
    assert sorted(local.folders()) == ["a", "b"]
    assert local.stat("gone") is None
    with pytest.raises(ObjectMissing):
        local.read("gone")
    with pytest.raises(StoreDenied):
        local.read("self")
