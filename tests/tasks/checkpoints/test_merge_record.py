"""Tests of the record inside a merged checkpoint, and of where merged checkpoints are kept."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tasks.checkpoints.fingerprint import fingerprint
from tasks.checkpoints.merge_record import (
    MARKER,
    Parity,
    Record,
    building,
    check_space,
    is_whole,
    locked,
    merge_key,
    merge_root,
    publish,
    read_record,
    sizes,
)
from tasks.records.errors import MergeFailed
from tests.builders import make_checkpoint


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Record]:
    folder = make_checkpoint(tmp_path / "merged")
    record = Record(
        base="b" * 64,
        adapters=("a" * 64,),
        fingerprint=fingerprint(folder),
        dtype="float32",
        files=sizes(folder),
        seconds=1.5,
        parity=Parity(4, 3, 0.75, 0.5, "第一张 from character 2 on"),
        parity_on="cpu, float32",
        versions={"ms-swift": "4.6.0"},
        made_at="2026-01-01T00:00:00+00:00",
    )
    (folder / MARKER).write_text(record.to_json(), encoding="utf-8")
    return folder, record


def test_a_record_comes_back_as_it_was(made: tuple[Path, Record]) -> None:
    folder, record = made
    assert read_record(folder) == record
    assert is_whole(folder, record)
    assert is_whole(folder, record, every_byte=True)


def test_the_record_and_a_readme_do_not_change_the_checkpoint(made: tuple[Path, Record]) -> None:
    folder, record = made
    (folder / "README.md").write_text("notes")
    assert fingerprint(folder) == record.fingerprint
    assert is_whole(folder, record)


@pytest.mark.parametrize("damage", ["lose", "cut", "add"])
def test_a_folder_with_other_files_is_not_whole(made: tuple[Path, Record], damage: str) -> None:
    folder, record = made
    weights = folder / "model.safetensors"
    if damage == "lose":
        weights.unlink()
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-1])
    else:
        (folder / "processor_config.json").write_text("{}")
    assert not is_whole(folder, record)


def test_other_bytes_of_the_same_length_are_found_when_every_byte_is_read(made: tuple[Path, Record]) -> None:
    folder, record = made
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!")
    assert is_whole(folder, record)
    assert not is_whole(folder, record, every_byte=True)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1}', '{"format": 2}', '{"format": 1, "parity": 3}'])
def test_a_record_that_is_none_is_not_there(made: tuple[Path, Record], content: str) -> None:
    folder, _ = made
    (folder / MARKER).write_text(content)
    assert read_record(folder) is None
    assert read_record(folder / "missing") is None


def test_a_record_of_a_later_format_is_not_read(made: tuple[Path, Record]) -> None:
    folder, _ = made
    content = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    (folder / MARKER).write_text(json.dumps({**content, "format": 2}))
    assert read_record(folder) is None


def test_the_key_is_of_base_and_adapters_in_their_order() -> None:
    keys = {merge_key("a", ("b", "c")), merge_key("a", ("c", "b")), merge_key("a", ("bc",)), merge_key("b", ("c",))}
    assert len(keys) == 4
    assert all(len(key) == 64 for key in keys)
    assert merge_key("a", ("b",)) == merge_key("a", ("b",))


def test_a_record_says_everything(made: tuple[Path, Record]) -> None:
    content = json.loads(made[1].to_json())
    assert set(content) == {"format", *(field.name for field in dataclasses.fields(Record))}


KEY = "k" * 64
RECORD = Record("b", ("a",), "f", "float32", {}, 1.0, Parity(1, 1, 1.0, 0.0, None), "cpu", {}, "2026-01-01")


def silent(line: str) -> None:
    """Hear nothing."""


def test_the_root_is_the_users_cache_unless_one_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert merge_root(None) == tmp_path / "cache" / "fieldcheck" / "merged"
    assert merge_root(None).is_dir()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert merge_root(None) == tmp_path / "home" / ".cache" / "fieldcheck" / "merged"
    monkeypatch.chdir(tmp_path)
    assert merge_root("here") == tmp_path / "here"


def test_a_root_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MergeFailed, match=r"file/merged cannot be made: Not a directory; give another merge\.root"):
        merge_root(str(tmp_path / "file" / "merged"))


def test_one_at_a_time(tmp_path: Path) -> None:
    inside, most, lines = 0, 0, []
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        with locked(tmp_path, KEY, 30.0, lines.append):
            with guard:
                inside += 1
                most = max(most, inside)
            threading.Event().wait(0.05)
            with guard:
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert any("waiting for another process" in line for line in lines)


def test_the_lock_is_free_when_its_holder_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom tasks.checkpoints.merge_record import locked\n"
        f"with locked(Path(sys.argv[1]), {KEY!r}, 1.0, print):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(MergeFailed, match=r"holds .*\.lock; wait for it, or end it"),
            locked(tmp_path, KEY, 0.3, silent),
        ):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with locked(tmp_path, KEY, 5.0, silent):
        pass


def test_a_child_does_not_inherit_the_lock(tmp_path: Path) -> None:
    with locked(tmp_path, KEY, 1.0, silent):
        child = subprocess.Popen(["sleep", "60"])
    try:
        descriptor = os.open(tmp_path / f"{KEY}.lock", os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)
    finally:
        child.kill()
        child.wait()


def test_what_a_killed_merge_left_is_swept(tmp_path: Path) -> None:
    left, others = tmp_path / f".{KEY}-abc" / "export-0", tmp_path / f".{'o' * 64}-abc"
    left.mkdir(parents=True)
    others.mkdir()
    with building(tmp_path, KEY) as work:
        assert not left.parent.exists()
        assert work.name.startswith(f".{KEY}-")
        (work / "file").write_text("")
    assert not work.exists()
    assert others.exists()


def test_a_folder_appears_whole_and_readable_in_place_of_a_damaged_one(tmp_path: Path) -> None:
    target = tmp_path / KEY
    (target / "old").mkdir(parents=True)
    with building(tmp_path, KEY) as work:
        made = work / "export-0"
        (made / "chat_templates").mkdir(parents=True)
        (made / "chat_templates" / "default.jinja").write_text("x")
        (made / "model.safetensors").write_bytes(b"weights")
        (made / "model.safetensors").chmod(0o600)
        record = dataclasses.replace(RECORD, files=sizes(made))
        publish(made, record, target)
        assert not made.exists()
    assert sorted(path.name for path in target.iterdir()) == ["chat_templates", MARKER, "model.safetensors"]
    assert (target / "model.safetensors").stat().st_mode & 0o777 == 0o644
    assert read_record(target) == record
    assert [path.name for path in tmp_path.iterdir()] == [KEY]


def test_too_little_space_is_told_in_bytes(tmp_path: Path) -> None:
    check_space(tmp_path, 1)
    with pytest.raises(MergeFailed, match=rf"^the merge needs {2**60} bytes and {tmp_path} has \d+ free; make room"):
        check_space(tmp_path, 2**60)
