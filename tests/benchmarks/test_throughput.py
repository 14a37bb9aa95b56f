"""The throughput benchmark itself: its photos, its report and its picture. Speeds are not asserted."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image

from tasks.checkpoints.inspect import inspect
from tests.benchmarks.throughput.__main__ import REFERENCE, Contender, _report, contenders
from tests.benchmarks.throughput.checkpoints import SETTINGS, checkpoint_of
from tests.benchmarks.throughput.phases import FLOW, Clock
from tests.benchmarks.throughput.plot import draw
from tests.benchmarks.throughput.workload import LARGEST, SMALLEST, make_input
from tests.demo import Demo


def test_photos_come_in_groups_as_crews_upload_them_and_are_made_once(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    groups = make_input(root, 12, (96, 64))
    assert sum(map(len, groups)) == 12
    assert all(SMALLEST <= len(group) <= LARGEST for group in groups[:-1])
    assert len({item.key for group in groups for item in group}) == 12
    sizes = [Image.open(group[0].path).size for group in groups]
    assert sizes[:2] == [(96, 64), (64, 96)]
    before = groups[0][0].path.stat().st_mtime_ns
    assert make_input(root, 12, (96, 64)) == groups
    assert groups[0][0].path.stat().st_mtime_ns == before
    make_input(root, 5, (96, 64))
    assert len(list(root.rglob("*.jpg"))) == 5


def test_random_weights_say_what_they_are_of_as_real_ones_do(demo: Demo, tmp_path: Path) -> None:
    small = SETTINGS["small-random"]
    assert small.shape is not None
    text = small.shape["text"] | {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    vision = small.shape["vision"] | {"depth": 1, "out_hidden_size": 32, "deepstack_visual_indexes": [0]}
    (tmp_path / "demo").symlink_to(demo.root)
    folder = checkpoint_of(replace(small, shape={"text": text, "vision": vision}), tmp_path)
    found = inspect(folder)
    assert (found.architecture, found.warnings) == ("Qwen3VLForConditionalGeneration", [])
    made = (folder / "model.safetensors").stat().st_mtime_ns
    assert checkpoint_of(replace(small, shape={"text": text, "vision": vision}), tmp_path) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == made, "made once"


def run(seconds: float, texts: dict[str, str], **phases: float) -> dict[str, Any]:
    return {
        "seconds": seconds,
        "start_seconds": 1.0,
        "texts": texts,
        "phases": phases,
        "peak_rss_mib": 100,
        "peak_cuda_mib": None,
    }


def test_the_report_has_medians_ratios_and_the_share_of_same_texts(tmp_path: Path) -> None:
    ways = contenders([8], flow=True, long_prompt=False)
    assert [way.way for way in ways] == ["one", "groups", "swift", "engine", "engine", "flow"]
    texts = {"a": "x", "b": "y"}
    ways[0].rounds = [run(4.0, texts), run(2.0, texts), run(1.0, texts)]
    ways[1].trouble = "it broke"
    ways[2].rounds = [run(1.0, {"a": "x", "b": "z"})]
    ways[3].rounds = [run(0.5, texts, vision=0.25, decode=0.125)]
    ways[4].rounds, ways[5].rounds = [run(2.0, texts)], [run(2.5, texts)]
    report = _report(ways, argparse.Namespace(config="tiny", photos=2, large=10, phases=False, rounds=3))
    assert json.loads(json.dumps(report)) == report
    rows = {row["way"]: row for row in report["ways"]}
    assert len(rows) == len(ways)
    one, broken, swift, engine, large, flow = report["ways"]
    assert (one["way"], one["photos_per_second"], one["spread"], one["ratio"]) == (REFERENCE, 1.0, [0.5, 2.0], 1.0)
    assert broken == {"way": ways[1].title, "trouble": "it broke"}
    assert (swift["ratio"], swift["same_text"]) == (2.0, 0.5)
    assert (engine["ratio"], engine["same_text"]) == (4.0, 1.0)
    assert (large["ratio"], flow["ratio"], flow["of"]) == (1.0, 0.8, large["way"])
    draw(report, tmp_path / "report.png")
    assert Image.open(tmp_path / "report.png").size[0] > 500


def test_a_clock_adds_up_what_calls_take_and_lets_errors_through() -> None:
    clock, heard = Clock(), []

    class Owner:
        @staticmethod
        def call(number: int) -> int:
            heard.append(number)
            return 10 // number

    clock.watch(Owner, "call", lambda number: "odd" if number % 2 else "even")
    assert [Owner.call(1), Owner.call(2)] == [10, 5]
    try:
        Owner.call(0)
    except ZeroDivisionError:
        heard.append(-1)
    assert heard == [1, 2, 0, -1]
    assert set(clock.seconds) == {"odd", "even"}


def test_a_way_tells_its_rates() -> None:
    way = Contender("w", "one", 1, rounds=[{"seconds": 2.0}, {"seconds": 4.0}])
    assert way.rates(8) == [4.0, 2.0]


def test_every_step_that_is_timed_is_there() -> None:
    for module, steps in FLOW.items():
        assert all(callable(getattr(import_module(module), name)) for name in steps)
