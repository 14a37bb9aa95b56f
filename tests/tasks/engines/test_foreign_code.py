"""A checkpoint's own code is never run, whoever answers the terminal's questions, and no question is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.demo import Demo

ROOT = Path(__file__).parents[3]

EVIL = """
open({mark!r}, "w").close()
from transformers import PretrainedConfig
class Config(PretrainedConfig):
    model_type = "evil"
"""

LOAD = """
import sys
import torch
from configs.parts import ModelConfig
from tasks.engines.loading import load_model, load_processor, own_length
from tasks.engines.transformers import TransformersEngine
folder = sys.argv[1]
for load in (
    load_processor,
    own_length,
    lambda folder: load_model(folder, [], ModelConfig(), torch.device("cpu")),
    lambda folder: load_model(folder, [folder], ModelConfig(), torch.device("cpu")),
    lambda folder: TransformersEngine(folder, device="cpu"),
):
    try:
        load(folder)
        print("loaded")
    except Exception as error:
        print(type(error).__name__, "never run" in str(error))
"""


def test_yes_on_the_terminal_runs_nothing(demo: Demo, tmp_path: Path) -> None:
    folder, mark = tmp_path / "evil", tmp_path / "ran"
    folder.mkdir()
    for path in Path(demo.checkpoint).iterdir():
        if path.name not in ("config.json", "preprocessor_config.json"):
            (folder / path.name).symlink_to(path)
    (folder / "evil.py").write_text(EVIL.format(mark=str(mark)))
    classes = dict.fromkeys(("AutoConfig", "AutoProcessor", "AutoImageProcessor", "AutoModel"), "evil.Config")
    for name in ("config.json", "preprocessor_config.json", "adapter_config.json"):
        (folder / name).write_text(json.dumps({"model_type": "evil", "auto_map": classes}))
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder)],
        cwd=ROOT,
        input="y\n" * 99,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not mark.exists()
    assert "[y/N]" not in done.stdout + done.stderr
    assert done.stdout.splitlines() == ["CheckpointError True"] * 5, done.stderr
