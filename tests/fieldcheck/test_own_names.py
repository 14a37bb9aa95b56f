"""Tests of a wheel in an environment of its own, called from folders that have packages of our names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOW = "from flows.stage_a import stage_a"
LIGHT = "import flows.cli; print(flows.cli.USAGE)"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the programs of an environment with our wheel, and with what it needs from this one."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    venv.create(folder / "env")
    programs = folder / "env" / "bin"
    uv = Path(sys.executable).with_name("uv")
    install = [str(uv), "pip", "install", "--python", str(programs / "python"), "--no-deps", "--no-index", str(file)]
    subprocess.run(install, check=True, capture_output=True)
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    (site / "needed.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return programs


@pytest.fixture(params=["tasks.py", "configs/__init__.py", "flows/__init__.py"])
def in_the_way(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file of a caller's own with one of our names."""
    file: Path = tmp_path / "work" / request.param
    file.parent.mkdir(parents=True)
    file.write_text("OWN = True\n", encoding="utf-8")
    return file


def folder_of(in_the_way: Path) -> Path:
    """The caller's working directory."""
    return in_the_way.parent if in_the_way.name == "tasks.py" else in_the_way.parents[1]


def call(cwd: Path, *command: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run it there."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run([*map(str, command)], cwd=cwd, env=clean | extra, capture_output=True, text=True, timeout=120)


def test_the_command_line_puts_its_own_root_first(wheel: Path, in_the_way: Path) -> None:
    cwd = folder_of(in_the_way)
    for command, extra in (
        ([wheel / "fieldcheck"], {}),
        ([wheel / "python", "-m", "fieldcheck"], {}),
        ([wheel / "fieldcheck"], {"PYTHONPATH": str(cwd)}),
    ):
        done = call(cwd, *command, "missions", **extra)
        assert done.returncode == 0, done.stderr
        assert "挡风板安装检查" in json.loads(done.stdout)["missions"]


def test_an_import_that_a_stranger_breaks_says_which_file_it_is_and_what_helps(wheel: Path, in_the_way: Path) -> None:
    cwd = folder_of(in_the_way)
    broken = call(cwd, wheel / "python", "-c", FLOW)
    told = broken.stderr.splitlines()[-1]
    assert broken.returncode == 1
    assert str(in_the_way) in told
    assert "start Python with -P" in told
    cured = call(cwd, wheel / "python", "-P", "-c", LIGHT)
    assert cured.stdout == "2\n", cured.stderr
    listed = call(cwd, wheel / "python", "-P", "-c", FLOW, PYTHONPATH=str(cwd))
    assert f"take {cwd} off PYTHONPATH" in listed.stderr.splitlines()[-1]


def test_a_worker_of_prefect_that_loads_a_dotted_entrypoint_says_it_too(wheel: Path, tmp_path: Path) -> None:
    own = tmp_path / "flows" / "__init__.py"
    own.parent.mkdir()
    own.touch()
    code = "from prefect.flows import load_flow_from_entrypoint as load; load('flows.stage_b.stage_b')"
    assert str(own) in call(tmp_path, wheel / "python", "-c", code).stderr.splitlines()[-1]


def test_folders_that_are_no_packages_are_not_in_the_way(wheel: Path, tmp_path: Path) -> None:
    for name in ("flows", "tasks", "blocks", "configs"):
        (tmp_path / name).mkdir()
    done = call(tmp_path, wheel / "python", "-c", LIGHT)
    assert done.stdout == "2\n", done.stderr
    missing = call(tmp_path, wheel / "python", "-c", "import flows.no_such_module")
    assert missing.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'flows.no_such_module'"


def test_whose_names_count_is_left_to_the_caller(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("OWN = True\n", encoding="utf-8")
    (tmp_path / "flows").mkdir()
    for name in ("__init__", "stage_a"):
        (tmp_path / "flows" / f"{name}.py").write_text("OWN = True\n", encoding="utf-8")
    code = "import tasks, flows.stage_a, configs.missions; print(tasks.OWN, flows.stage_a.OWN)"
    done = call(tmp_path, wheel / "python", "-c", code)
    assert done.stdout == "True True\n", done.stderr
