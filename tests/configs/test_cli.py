"""Tests of the command line: its flags, its exit codes, its last line, and what it does not import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from blocks.local_store import LocalStore
from configs.cli import parse
from configs.commands import COMMANDS
from configs.missions import known_missions
from configs.variables import SHORTCUTS
from flows.cli import main
from tasks.runs.keys import latest_key, split_manifest_uri
from tasks.runs.pointer import point_to
from tasks.runs.publish import Published
from tests.builders import MISSION, published_run
from tests.servers import free_port

HEAVY = ("torch", "prefect", "transformers", "boto3")


@pytest.fixture
def published(tmp_path: Path) -> Published:
    """A run on the disk."""
    return published_run(LocalStore(tmp_path / "store"))


def run(*args: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """A process of its own, and which heavy modules it had imported in the end."""
    code = (
        "import sys\nfrom flows.cli import main\ncode = main(sys.argv[1:])\n"
        f"sys.stderr.write('\\n' + ' '.join(name for name in {HEAVY!r} if name in sys.modules))\nsys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=60, check=False)
    return done, done.stderr.rpartition("\n")[2].split()


def last_line(text: str) -> Any:
    """The JSON object at the end of stdout."""
    return json.loads(text.splitlines()[-1])


def test_four_faults_are_told_in_one_message_before_anything_heavy_is_imported(tmp_path: Path) -> None:
    done, imported = run(
        "stage-a",
        "--mission=挡风板检查",
        f"--input-root={tmp_path / 'nowhere'}",
        f"--store={tmp_path / 'store'}",
        "--checkpoint=Qwen/Qwen3-VL-4B-Instruct",
        "--temperature=9",
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert imported == []
    assert "4 faults" in done.stderr
    for place in ("mission: ", "input_root: ", "model.base: ", "generation.temperature: "):
        assert f"  - {place}" in done.stderr
    assert MISSION in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "store").exists()


def test_the_module_itself_can_be_run() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "missions"], capture_output=True, text=True, timeout=60, check=True
    )
    assert last_line(done.stdout) == {"missions": list(known_missions())}


def test_help_explains_and_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    for args in (["--help"], []):
        assert main(args) == 0
        shown = capsys.readouterr().out
        assert all(command in shown for command in ("stage-a", "stage-b", "verify", "missions"))


def test_help_imports_nothing_heavy() -> None:
    for args in (["--help"], ["stage-a", "--help"]):
        done, imported = run(*args)
        assert done.returncode == 0
        assert imported == []


def test_an_argument_is_the_setting_that_it_stands_for() -> None:
    typed = parse(["requeue", "here/quarantine.jsonl", "--force"])
    assert typed.given == {"requeue": "here/quarantine.jsonl", "force": True}
    assert parse(["inspect", "folder", "--profile", "demo"]).given == {"checkpoint": "folder"}


def test_help_of_a_run_shows_every_setting_and_short_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stage-a", "--help"]) == 0
    shown = capsys.readouterr().out
    for flag in ("--mission", "--input-root", "--profile", "--no-mission", "--verify-inputs", "--s3.endpoint-url"):
        assert flag in shown
    assert all(f"--{short}" in shown for short in SHORTCUTS.values())


@pytest.mark.parametrize(
    "args",
    [
        ["--bogus"],
        ["bogus"],
        ["stage-a", "--bogus", "1"],
        ["verify"],
        ["missions", "more"],
        ["stage-a", "--temperature"],
    ],
)
def test_wrong_usage_is_exit_code_two(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err


def test_missions_end_in_one_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["missions"]) == 0
    shown = capsys.readouterr()
    assert last_line(shown.out) == {"missions": list(known_missions())}
    assert len(shown.out.splitlines()) == 1
    assert all(mission.focus in shown.err for mission in known_missions().values())


@pytest.mark.parametrize(
    ("args", "given"),
    [
        ([], {}),
        (["--mission", "x"], {"mission": "x"}),
        (["--input-root=p", "--store=q"], {"input_root": "p", "store": "q"}),
        (["--max-new-tokens", "96"], {"generation": {"max_new_tokens": "96"}}),
        (["--generation.max-new-tokens", "96"], {"generation": {"max_new_tokens": "96"}}),
        (["--max-pixels=82944", "--dtype", "float32"], {"model": {"max_pixels": "82944", "dtype": "float32"}}),
        (["--batch-size=4", "--markers=required"], {"engine": {"batch_size": "4"}, "inputs": {"markers": "required"}}),
        (["--endpoint-url", "http://h:1"], {"s3": {"endpoint_url": "http://h:1"}}),
    ],
)
def test_a_command_holds_exactly_what_was_typed(args: list[str], given: dict[str, Any]) -> None:
    typed = parse(["stage-a", *args])
    assert typed.command is COMMANDS["stage-a"]
    assert typed.given == given
    assert typed.profile is None


def test_switches_and_lists_are_typed_as_flags() -> None:
    given = parse(["stage-a", "--no-mission", "--no-verify-inputs", "--adapters", "a", "--adapters", "b"]).given
    assert given["no_mission"] in (True, "true", "True")
    assert given["verify_inputs"] in (False, "false", "False")
    assert list(given["model"]["adapters"]) == ["a", "b"]


def test_the_profile_is_no_setting() -> None:
    typed = parse(["stage-a", "--profile", "demo"])
    assert (typed.profile, typed.given) == ("demo", {})


def test_a_good_run_verifies(published: Published, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", published.uri, "--sha256", published.sha256]) == 0
    told = last_line(capsys.readouterr().out)
    assert (told["manifest"], told["sha256"], told["stage"]) == (published.uri, published.sha256, "stage_a")
    assert (told["mission"], told["objects"], told["records"]) == (MISSION, 4, 9)


def test_the_newest_run_is_verified_where_latest_is_said(
    published: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    root, _ = split_manifest_uri(published.uri)
    store = LocalStore(root)
    point_to(store, published, None)
    assert main(["verify", store.uri_of(latest_key(MISSION))]) == 0
    assert last_line(capsys.readouterr().out)["manifest"] == published.uri


def test_verifying_imports_neither_torch_nor_prefect(published: Published) -> None:
    done, imported = run("verify", published.uri)
    assert done.returncode == 0
    assert imported == []


@pytest.mark.parametrize("name", [f"{MISSION}_stage_a.jsonl", "provenance.jsonl", "quarantine.jsonl", "manifest.json"])
def test_a_run_that_was_changed_is_exit_code_one_and_names_the_object(
    published: Published, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = Path(published.uri).parent / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert main(["verify", published.uri]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert str(path) in shown.err
    assert "Traceback" not in shown.err


def test_another_sha256_is_exit_code_one(published: Published, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", published.uri, "--sha256", "0" * 64]) == 1
    assert published.sha256 in capsys.readouterr().err


@pytest.mark.parametrize("uri", ["nowhere/manifest.json", "here.json", "s3://BAD/stage_a/m/runs/r/manifest.json"])
def test_what_cannot_be_a_manifest_is_exit_code_two(uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", uri]) == 2
    assert "manifest: " in capsys.readouterr().err


@pytest.mark.parametrize("command", [["verify", "x"], ["stage-a"], ["stage-b"]])
def test_a_password_in_an_endpoint_is_never_shown(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--s3.endpoint-url", "http://user:hunter2@host"]) == 2
    shown = capsys.readouterr()
    assert "hunter2" not in shown.out + shown.err
    assert "holds credentials" in shown.err


def test_two_bad_values_of_one_list_are_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stage-a", "--ladder.temperatures", "5", "--ladder.temperatures", "6"]) == 2
    assert "ladder.temperatures.1" in capsys.readouterr().err


def test_a_prefect_server_that_is_gone_is_told_in_a_line(told: dict[str, Any], tmp_path: Path) -> None:
    nobody = free_port()
    told["model.base"] = told.pop("model")["base"]
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "stage-a", *(f"--{n.replace('_', '-')}={v}" for n, v in told.items())],
        env=os.environ | {"PREFECT_API_URL": f"http://127.0.0.1:{nobody}/api", "PREFECT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "fieldcheck: PrefectUnavailable: the Prefect API does not answer" in done.stderr
    assert "Traceback" not in done.stderr
