"""Opening engines, once per process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from configs.parts import EngineConfig, InputConfig, ModelConfig
from tasks.engines.open import EngineSpec, close_engine, close_engines, open_engine
from tests.demo import Demo
from tests.tasks.engines.faulty import faulty

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    close_engines()
    yield
    close_engines()


def spec(checkpoint: str, device: str = "cpu", **engine: Any) -> EngineSpec:
    config = EngineConfig.model_validate(engine)
    return EngineSpec(checkpoint, (), ("f",), device, ModelConfig(dtype="float32"), config, InputConfig())


def test_equal_specs_share_one_engine_and_another_replaces_it(demo: Demo) -> None:
    first = open_engine(spec(demo.checkpoint))
    assert first.name == "transformers"
    assert open_engine(spec(demo.checkpoint)) is first
    second = open_engine(spec(demo.checkpoint, kind="swift"))
    assert second.name == "swift/transformers"
    assert open_engine(spec(demo.checkpoint, kind="reference")).name == "reference"
    assert open_engine(spec(demo.checkpoint)) is not first


def test_several_devices_have_an_engine_each_and_lose_it_alone(demo: Demo) -> None:
    here, there = spec(demo.checkpoint, "cpu:0"), spec(demo.checkpoint, "cpu:1")
    first, second = open_engine(here), open_engine(there)
    assert first is not second
    close_engine(here)
    assert open_engine(there) is second
    assert open_engine(here) is not first
    other = open_engine(spec(demo.checkpoint, "cpu:0", batch_size=3))
    assert open_engine(spec(demo.checkpoint, "cpu:0", batch_size=3)) is other
    assert open_engine(there) is not second


def test_an_endpoint_is_opened_with_its_key_and_without_a_checkpoint() -> None:
    with faulty() as script:
        settings = {"url": script.url, "api_key": "sk-1"}
        one = spec("", kind="endpoint", endpoint=settings)
        engine = open_engine(one)
        assert engine.name == "endpoint"
        assert open_engine(spec("", kind="endpoint", endpoint=settings)) is engine
        assert script.keys == ["Bearer sk-1"]
        assert "sk-1" not in repr(one)
        assert open_engine(spec("", kind="endpoint", endpoint={**settings, "api_key": "sk-2"})) is not engine


def test_importing_it_loads_no_model_library() -> None:
    code = (
        "import sys, tasks.engines.open; "
        "print([name for name in ('torch', 'transformers', 'swift', 'httpx', 'prefect') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("broken", [False, True])
def test_libraries_are_imported_ahead_in_a_thread_that_says_nothing(broken: bool) -> None:
    script = f"""
import sys, threading
from tasks.engines.open import import_ahead
assert "torch" not in sys.modules
if {broken}:
    sys.modules["torch"] = None
import_ahead("transformers")
for thread in threading.enumerate():
    if thread is not threading.current_thread():
        thread.join()
print("tasks.engines.transformers" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == (str(not broken), "")
