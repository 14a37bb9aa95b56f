"""Tests of merging adapters into their base. One real merge is shared; those of a whole export each are slow."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import tasks.checkpoints.merge as merging_module
from configs.parts import MergeConfig, ModelConfig
from tasks.checkpoints.fingerprint import fingerprint
from tasks.checkpoints.merge import merge
from tasks.checkpoints.merge_record import MARKER, read_record
from tasks.engines.folders.weights import read_weights
from tasks.records.errors import CheckpointError, CheckpointMisaligned, MergeFailed, ParityTooLow
from tests.demo import Demo
from tests.merging import Merging
from tests.tasks.checkpoints.conftest import Copy, change
from tests.tasks.checkpoints.processes import ROOT, children_of, until

ONE = "import json, sys\nfrom configs.parts import MergeConfig, ModelConfig\n" + (
    "from tasks.checkpoints.merge import merge\n"
    "base, adapter, root = sys.argv[1:4]\n"
    "found = merge(ModelConfig(base=base, adapters=(adapter,)), MergeConfig(root=root, probes=2), 'cpu', "
    "lambda line: print(line, file=sys.stderr, flush=True))\n"
    "print(json.dumps({**found.as_json(), 'torch': 'torch' in sys.modules or 'swift' in sys.modules}))\n"
)


def silent(line: str) -> None:
    """Hear nothing."""


def start(demo: Demo, root: Path, *, before: str = "") -> subprocess.Popen[str]:
    """A process that merges the demo's adapter."""
    command = [sys.executable, "-c", before + ONE, demo.checkpoint, demo.adapter, str(root)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, told = process.communicate(timeout=240)
    assert process.returncode == 0, told
    found: dict[str, Any] = json.loads(out)
    return found


def visible(root: Path) -> list[str]:
    """What looks merged."""
    return sorted(path.name for path in root.iterdir() if not path.name.endswith(".lock"))


def test_the_merge_says_what_the_adapter_said(merging: Merging) -> None:
    parity = merging.merged.parity
    assert merging.merged.fresh
    assert (parity.photos, parity.same, parity.share, parity.first_difference) == (4, 4, 1.0, None)
    assert 0 < parity.largest_logit_difference < 1e-3
    assert any(line.startswith("swift export: ") and "Successfully merged LoRA" in line for line in merging.lines)
    assert any("parity: 4 of 4 photos with the same text" in line for line in merging.lines)


def test_weights_are_new_and_every_other_file_is_the_bases(demo: Demo, merging: Merging) -> None:
    base = Path(demo.checkpoint)
    names = {path.name for path in base.iterdir()} - {"expanded.json"} | {MARKER}
    assert {path.name for path in merging.folder.iterdir()} == names
    for name in names - {MARKER, "config.json", "model.safetensors"}:
        assert (merging.folder / name).read_bytes() == (base / name).read_bytes()
    ours, theirs = read_weights(base), read_weights(merging.folder)
    assert (theirs.tensors, theirs.faults) == (ours.tensors, [])
    assert (merging.folder / "model.safetensors").read_bytes() != (base / "model.safetensors").read_bytes()


def test_the_record_tells_where_it_came_from(demo: Demo, merging: Merging) -> None:
    record = read_record(merging.folder)
    assert record is not None
    assert record.fingerprint == merging.merged.fingerprint == fingerprint(merging.folder)
    assert (record.base, record.adapters) == (fingerprint(demo.checkpoint), (fingerprint(demo.adapter),))
    assert set(record.versions) == {"ms-swift", "transformers", "peft", "torch"}
    assert record.parity == merging.merged.parity
    assert [path.name for path in merging.folder.parent.iterdir() if path.name.startswith(".")] == []


def test_the_second_time_nothing_is_loaded(demo: Demo, merging: Merging) -> None:
    assert merging.config.root is not None
    began = time.monotonic()
    found = end(start(demo, Path(merging.config.root)))
    assert time.monotonic() - began < 5.0
    assert found.pop("torch") is False
    assert found == json.loads(json.dumps(dataclasses.replace(merging.merged, fresh=False).as_json()))


def test_a_copied_base_and_adapter_find_the_same_merge(merging: Merging, copy: Copy) -> None:
    model = ModelConfig(base=str(copy(merging.model.base)), adapters=(str(copy(merging.model.adapters[0])),))
    found = merge(model, merging.config, "cpu", silent)
    assert (found.fresh, found.path) == (False, merging.merged.path)


def test_a_merge_that_was_too_unlike_for_this_run_is_not_used(merging: Merging, copy: Copy, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    folder = copy(merging.folder).rename(root / merging.folder.name)
    change(folder / MARKER, parity__share=0.5, parity__same=2, parity__first_difference="1.jpg from character 9 on")
    config = MergeConfig(root=str(root), min_parity=0.75)
    with pytest.raises(ParityTooLow, match=r"on 2 of 4 probe photos, merge\.min_parity asks for 0\.75; .* 1\.jpg from"):
        merge(merging.model, config, "cpu", silent)
    assert not merge(merging.model, MergeConfig(root=str(root), min_parity=0.5), "cpu", silent).fresh


def swift_that_does(monkeypatch: pytest.MonkeyPatch, wanted: Any) -> None:
    """An export that leaves something else than ms-swift's: what a fault in it could leave."""

    def export(base: Path, adapter: Path, target: Path, **given: Any) -> None:
        wanted(base, target)

    monkeypatch.setattr(merging_module, "export", export)


def test_an_export_without_the_adapter_is_noticed_and_not_kept(
    merging: Merging, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = merging.config.model_copy(update={"root": str(tmp_path), "probes": 8, "min_parity": 1.0})
    swift_that_does(monkeypatch, shutil.copytree)
    with pytest.raises(MergeFailed, match="the merge changes nothing: every weight of "):
        merge(merging.model, config, "cpu", silent)

    def nearly(base: Path, target: Path) -> None:
        shutil.copytree(base, target)
        with (target / "model.safetensors").open("r+b") as file:
            file.seek(-4, os.SEEK_END)
            file.write(bytes(4))

    swift_that_does(monkeypatch, nearly)
    with pytest.raises(ParityTooLow, match=r"the first difference is .* from character"):
        merge(merging.model, config, "cpu", silent)
    assert visible(tmp_path) == []


def test_an_export_that_leaves_nothing_or_too_little_is_noticed(
    merging: Merging, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = MergeConfig(root=str(tmp_path))
    swift_that_does(monkeypatch, lambda base, target: None)
    with pytest.raises(MergeFailed, match="without an error and without a checkpoint"):
        merge(merging.model, config, "cpu", silent)

    def half(base: Path, target: Path) -> None:
        shutil.copytree(base, target)
        os.truncate(target / "model.safetensors", 1_000_000)

    swift_that_does(monkeypatch, half)
    with pytest.raises(MergeFailed, match=r"is not the base with other weights: model\.safetensors: should be"):
        merge(merging.model, config, "cpu", silent)

    def full(base: Path, target: Path) -> None:
        raise OSError(28, "No space left on device", str(target))

    swift_that_does(monkeypatch, full)
    with pytest.raises(MergeFailed, match=r"No space left on device.*; make room"):
        merge(merging.model, config, "cpu", silent)
    assert visible(tmp_path) == []


def test_a_damaged_merge_is_made_again(
    merging: Merging, copy: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    folder = copy(merging.folder).rename(root / merging.folder.name)
    (folder / "tokenizer.json").write_text("{}")
    swift_that_does(monkeypatch, lambda base, target: shutil.copytree(merging.folder, target))
    lines: list[str] = []
    config = merging.config.model_copy(update={"root": str(root)})
    found = merge(merging.model, config, "cpu", lines.append)
    assert f"{folder} is damaged, and is made again" in lines
    assert (found.fresh, found.fingerprint) == (True, merging.merged.fingerprint)
    assert visible(root) == [folder.name]


def test_a_base_that_changes_meanwhile_is_noticed(
    merging: Merging, copy: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = copy(merging.model.base)

    def replaced(base: Path, target: Path) -> None:
        shutil.copytree(merging.folder, target)
        change(base / "generation_config.json", do_sample=True)

    swift_that_does(monkeypatch, replaced)
    model = merging.model.model_copy(update={"base": str(base)})
    config = merging.config.model_copy(update={"root": str(tmp_path / "root")})
    with pytest.raises(MergeFailed, match="changed while it was merged"):
        merge(model, config, "cpu", silent)
    assert visible(tmp_path / "root") == []


@pytest.mark.parametrize("lacking", ["base", "adapters"])
def test_a_merge_needs_both(merging: Merging, tmp_path: Path, lacking: str) -> None:
    model = merging.model.model_copy(update={lacking: type(getattr(merging.model, lacking))()})
    with pytest.raises(MergeFailed, match=r"needs model\.base and at least one of model\.adapters"):
        merge(model, MergeConfig(root=str(tmp_path)), "cpu", silent)


def test_an_adapter_of_another_base_is_refused_before_anything_is_made(
    merging: Merging, copy: Copy, tmp_path: Path
) -> None:
    adapter = copy(merging.model.adapters[0])
    (adapter / "chat_template.jinja").write_text("{{ messages }}")
    model = merging.model.model_copy(update={"adapters": (str(adapter),)})
    with pytest.raises(CheckpointMisaligned, match=r"chat_template\.jinja: differs") as caught:
        merge(model, MergeConfig(root=str(tmp_path / "root")), "cpu", silent)
    assert caught.value.files == ("chat_template.jinja",)
    assert not (tmp_path / "root").exists()


def test_probe_photos_that_are_not_there_are_refused_before_the_export(merging: Merging, tmp_path: Path) -> None:
    config = MergeConfig(root=str(tmp_path / "root"), probe_photos=str(tmp_path / "missing"))
    with pytest.raises(CheckpointError, match="holds no photo"):
        merge(merging.model, config, "cpu", silent)
    assert visible(tmp_path / "root") == []


def test_a_full_disk_is_told_before_the_export(merging: Merging, tmp_path: Path) -> None:
    root = tmp_path / "small"
    root.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(root)], check=False)
    if mounted.returncode != 0:
        pytest.skip("may not mount a file system")
    try:
        with pytest.raises(MergeFailed, match=rf"the merge needs \d{{9}} bytes and {root} has \d{{8}} free"):
            merge(merging.model, MergeConfig(root=str(root)), "cpu", silent)
        assert visible(root) == []
    finally:
        subprocess.run(["umount", str(root)], check=True)


@pytest.mark.slow
def test_all_probes_agree(demo: Demo, tmp_path: Path) -> None:
    model = ModelConfig(base=demo.checkpoint, adapters=(demo.adapter,))
    found = merge(model, MergeConfig(root=str(tmp_path), probe_photos=demo.photos), "cpu", silent)
    assert (found.parity.photos, found.parity.same) == (64, 64)
    assert found.parity.largest_logit_difference < 1e-3


@pytest.mark.slow
def test_several_adapters_are_merged_one_after_the_other(demo: Demo, copy: Copy, tmp_path: Path) -> None:
    """The engine adds them all up, and so must the merge; ms-swift alone would keep the last one only."""
    from safetensors.torch import load_file, save_file

    second = copy(demo.adapter)
    weights = load_file(second / "adapter_model.safetensors")
    (second / "adapter_model.safetensors").unlink()
    halved = {name: value * (0.5 if "lora_B" in name else 1.0) for name, value in weights.items()}
    save_file(halved, second / "adapter_model.safetensors", {"format": "pt"})
    model = ModelConfig(base=demo.checkpoint, adapters=(demo.adapter, str(second)))
    root = tmp_path / "root"
    found = merge(model, MergeConfig(root=str(root), probes=4), "cpu", silent)
    assert (found.parity.share, len(found.adapter_fingerprints)) == (1.0, 2)
    assert found.parity.largest_logit_difference < 1e-2
    assert visible(root) == [Path(found.path).name]


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["parent", "swift"])
@pytest.mark.parametrize("after", ["begun", "exported"])
def test_a_killed_merge_leaves_nothing_that_looks_merged(demo: Demo, tmp_path: Path, victim: str, after: str) -> None:
    first = start(demo, tmp_path)
    child = until(lambda: [pid for pid in children_of(tmp_path) if pid != first.pid])[0]
    if after == "exported":
        until(lambda: list(tmp_path.glob(".*/export-0")) or first.poll() is not None)
    else:
        time.sleep(1.0)
    if victim == "parent":
        first.kill()
        first.communicate()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _, told = first.communicate(timeout=240)
        assert first.returncode != 0
        assert "was killed by signal 9" in told
    until(lambda: not children_of(tmp_path))
    assert [name for name in visible(tmp_path) if not name.startswith(".")] == []
    found = end(start(demo, tmp_path))
    assert found["fresh"]
    assert visible(tmp_path) == [Path(found["path"]).name]
    assert fingerprint(found["path"]) == found["fingerprint"]


@pytest.mark.slow
def test_two_processes_at_once_export_once(demo: Demo, tmp_path: Path) -> None:
    both = [start(demo, tmp_path), start(demo, tmp_path)]
    found = [end(process) for process in both]
    assert sorted(one["fresh"] for one in found) == [False, True]
    assert len({one["path"] for one in found}) == 1
    assert len({one["fingerprint"] for one in found}) == 1


@pytest.mark.slow
def test_a_disk_that_fills_up_half_way_is_told(demo: Demo, tmp_path: Path) -> None:
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (50_000_000, 50_000_000))\n"
    first = start(demo, tmp_path, before=limit)
    _, told = first.communicate(timeout=240)
    assert first.returncode != 0
    assert "MergeFailed" in told
    assert visible(tmp_path) == []
    assert end(start(demo, tmp_path))["fresh"]


@pytest.mark.slow
def test_a_broken_adapter_is_told_in_swifts_words(demo: Demo, copy: Copy, tmp_path: Path) -> None:
    adapter = copy(demo.adapter)
    (adapter / "adapter_model.safetensors").unlink()
    (adapter / "adapter_model.safetensors").write_bytes(b"nothing")
    model = ModelConfig(base=demo.checkpoint, adapters=(str(adapter),))
    with pytest.raises(MergeFailed, match=r"ended with code 1\. Its last lines: .*"):
        merge(model, MergeConfig(root=str(tmp_path / "root")), "cpu", silent)
