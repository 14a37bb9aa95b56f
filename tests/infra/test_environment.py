"""Set-up: which Python is taken, what is said beforehand, what is said when it fails, and the lock files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from infra import environment
from infra.lock import LOCKS, measure

ROOT = Path(__file__).parents[2]
LOCK_FILES = sorted(ROOT / lock.file for lock in LOCKS.values())
PYTHONS = ("3.11.9", "3.12.3", "3.13.5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with pip and uv and nothing else."""
    made = tmp_path_factory.mktemp("setup") / "env"
    venv.create(made, with_pip=True)
    (made / "bin" / "uv").symlink_to(Path(sys.executable).with_name("uv"))
    return made


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of a package index, with one package in it, of two versions."""
    for version in ("1.0", "2.0"):
        with zipfile.ZipFile(tmp_path / f"tiny-{version}-py3-none-any.whl", "w") as wheel:
            info = f"tiny-{version}.dist-info"
            wheel.writestr("tiny.py", "HERE = True\n")
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", f"tiny.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    for name, value in (("UV_NO_INDEX", "1"), ("UV_FIND_LINKS", str(tmp_path)), ("UV_CACHE_DIR", str(tmp_path / "uv"))):
        monkeypatch.setenv(name, value)
    return tmp_path


def run(folder: Path, lock: Path, capfd: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    sys.argv = ["environment.py", str(folder), str(lock)]
    return environment.main(), capfd.readouterr().err.splitlines()


def written(folder: Path, *lines: str) -> Path:
    lock = folder / "some.lock"
    lock.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return lock


@pytest.fixture(autouse=True)
def argv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", sys.argv)


def test_what_will_be_fetched_is_said_beforehand_and_what_is_there_is_not_fetched(
    folder: Path, index: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lock = written(index, "# 1 packages, 2500000000 bytes to fetch for Linux on x86_64", "tiny==1.0")
    code, told = run(folder, lock, capfd)
    assert (code, told) == (0, ["setup: about 2.5 GB in 1 packages will be fetched"])
    assert next((folder / "lib").glob("python*/site-packages/tiny.py"))
    code, told = run(folder, lock, capfd)
    assert (code, told) == (0, [f"setup: nothing to fetch: uv has all packages of {lock} in its cache"])


def test_without_an_index_or_room_a_line_says_so(folder: Path, index: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, told = run(folder, written(index, "no-such-package==1.0"), capfd)
    assert code == 2
    assert re.match(
        r"setup: what .*some.lock names could not be looked up.*index that can be reached.*GB are", told[-1]
    )
    assert not any("Traceback" in line for line in told)
    code, told = run(folder, written(index, f"# 1 packages, {10**18} bytes to fetch for Linux", "tiny==2.0"), capfd)
    assert code == 2
    assert re.match(r"setup: \d+\.\d GB are free on the disk of .* are needed; free some", told[-1])


def test_an_environment_that_was_left_half_made_is_made_anew(tmp_path: Path) -> None:
    half = tmp_path / "half"
    venv.create(half)
    (half / "stale").touch()
    assert environment._environment(half) == half / "bin" / "python"
    assert not (half / "stale").exists()
    (half / "bin" / "uv").touch()
    (half / "kept").touch()
    environment._environment(half)
    assert (half / "kept").exists()


def test_a_python_that_is_too_old_is_refused(
    folder: Path, index: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "OLDEST", (3, 99))
    code, told = run(folder, written(index, "tiny==1.0"), capfd)
    assert (code, len(told)) == (2, 1)
    assert "3.11, 3.12 or 3.13 is needed: set PYTHON=" in told[0]


def make_setup(folder: Path, **pythons: str) -> subprocess.CompletedProcess[str]:
    """`make setup` where only these Pythons are; each is a line of shell."""
    programs = folder / "bin"
    programs.mkdir()
    for name in ("bash", "make", "test", "touch", "echo"):
        (programs / name).symlink_to(shutil.which(name) or name)
    for name, line in pythons.items():
        program = programs / name.replace("_", ".")
        program.write_text(f"#!/bin/bash\n{line}\n", encoding="utf-8")
        program.chmod(0o755)
    command = ["make", f"VENV={folder / 'venv'}", "setup"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")} | {"PATH": str(programs)}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


def test_make_takes_a_machine_with_python_3_12_or_3_13_alone(tmp_path: Path) -> None:
    (tmp_path / "venv").mkdir()
    fits = '[ "$1" = -c ] || echo "$0 makes it" >&2'
    # A name alone is not enough: version managers have programs of all names, which fail.
    done = make_setup(tmp_path, python3_11="exit 127", python3_12=fits, python3="exit 1")
    assert (done.returncode, done.stderr) == (0, f"{tmp_path / 'bin' / 'python3.12'} makes it\n")


def test_make_says_which_pythons_it_would_take(tmp_path: Path) -> None:
    done = make_setup(tmp_path, python3="exit 1")
    assert done.returncode == 2
    assert "make: Python 3.11, 3.12 or 3.13 is needed; set PYTHON=" in done.stderr


@pytest.mark.parametrize("file", LOCK_FILES, ids=lambda file: file.name)
def test_a_lock_file_serves_each_python_names_no_index_and_says_how_large_it_is(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    head, *lines = text.splitlines()
    found = re.fullmatch(r"# (\d+) packages, (\d+) bytes to fetch for Linux on x86_64", head)
    assert found
    assert int(found[2]) > 1e9
    assert "://" not in text
    assert not [line for line in lines if line.startswith("-")]
    for python in PYTHONS:
        machine = {"python_version": python[:4], "python_full_version": python, "sys_platform": "linux"}
        machine |= {"platform_machine": "x86_64", "platform_python_implementation": "CPython"}
        machine |= {"implementation_name": "cpython", "platform_system": "Linux"}
        wanted = [Requirement(line) for line in lines]
        names = [one.name for one in wanted if one.marker is None or one.marker.evaluate(machine)]
        assert len(names) == len(set(names))
        if python.startswith("3.11"):
            assert len(names) == int(found[1])


def test_the_size_of_a_lock_file_is_that_of_the_wheels_that_the_machine_takes() -> None:
    wheels = [
        {"url": "x/a-1-cp311-cp311-macosx_11_0_arm64.whl", "size": 1},
        {"url": "x/a-1-cp312-cp312-manylinux_2_28_x86_64.whl", "size": 2},
        {"url": "x/a-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "size": 30},
        {"url": "x/a-1-py3-none-any.whl", "size": 4},
    ]
    packages = [
        {"name": "a", "wheels": wheels},
        {"name": "b", "sdist": {"size": 500}},
        {"name": "c", "marker": "sys_platform == 'win32'", "wheels": wheels},
    ]
    assert measure(packages) == (2, 530)
