"""Symlinks in a local store: none leads out of it, and those that stay inside work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blocks.errors import BadKey, ObjectMissing, StoreDenied
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
    listed = {info.key: info.size for info in local.list()}
    assert listed == {"file": 0, "folder": 0, "kept": 1, "up": 0}, "named, so that nobody takes them for absent"
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
    listed = {info.key: info.size for info in local.list()}
    again = {"a/again/a/again": 0, "a/again/a/x": 1, "a/again/b": 0, "a/again/gone": 0, "a/again/self": 0}
    assert listed == {"a/x": 1, "b/again": 0, "b/x": 1, "gone": 0, "self": 0, **again}
    assert sorted(local.folders()) == ["a", "b"]
    assert local.stat("gone") is None
    with pytest.raises(ObjectMissing):
        local.read("gone")
    with pytest.raises(StoreDenied, match="circle"):
        local.read("self")
    with pytest.raises(ObjectMissing, match="directory"):
        local.read("b/again")


def test_links_that_cross_each_other_do_not_multiply_the_tree(local: LocalStore, root: Path) -> None:
    for folder in range(6):
        local.write(f"{folder}/x", b"x")
        for other in range(6):
            (root / f"{folder}/to{other}").symlink_to(f"../{other}")
    keys = [info.key for info in local.list()]
    # Of each folder: its own file, and behind each of six links the other's file and six links that end there.
    assert len(keys) == len(set(keys)) == 6 * (1 + 6 * (1 + 6))


@pytest.mark.parametrize("target", ["n" * 300, "x/" * 1500, "kept/below", "\udcff", "/dev/zero", "/proc/self/mem"])
def test_no_target_of_a_symlink_ends_the_listing(local: LocalStore, root: Path, target: str) -> None:
    local.write("kept", b"x")
    (root / "img.jpg").symlink_to(target)
    assert {info.key: info.size for info in local.list()} == {"img.jpg": 0, "kept": 1}
    assert list(local.folders()) == []
    with pytest.raises((StoreDenied, ObjectMissing, BadKey)):
        local.read("img.jpg")


def test_a_symlink_to_a_pipe_inside_is_listed_and_refused(local: LocalStore, root: Path) -> None:
    os.mkfifo(root / "pipe")
    (root / "img.jpg").symlink_to("pipe")
    assert {info.key: info.size for info in local.list()} == {"img.jpg": 0, "pipe": 0}
    with pytest.raises(StoreDenied, match="plain file"):
        local.read("img.jpg")
