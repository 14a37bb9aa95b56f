"""The demo checkpoint: shipped small, expanded the same way every time, and right about photos it has never seen."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

from infra.demo import pack, prepare
from infra.demo.scenes import CELL, PIXELS_MAX, PIXELS_MIN, Split, grid_of, sample, seed_of
from infra.demo.tokenizer import SPECIAL_IDS, VOCAB_SIZE, ordinary_size
from infra.demo.training.examine import Reader
from infra.demo.training.examine_dense import judge
from infra.demo.training.model import Trim
from infra.demo.training.pictures import photo, pixel_values, take
from infra.demo.training.prompting import conversation, real_prompts
from infra.demo.wording import adapter_summary, summary
from tasks.dense.prompts import dense_prompt
from tasks.dense.score import Score
from tasks.records.prompts import Prompt

REPOSITORY = Path(__file__).parents[3]
ADAPTER = pack.DEMO / "adapter"


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads that wait for each other at every small step crawl once anything else uses a core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def reader(checkpoint: Path) -> Reader:
    return Reader(checkpoint)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_what_is_shipped_is_small() -> None:
    shipped = [
        path for name in ("checkpoint", "adapter", "judge") for path in (pack.DEMO / name).rglob("*") if path.is_file()
    ]
    assert sum(path.stat().st_size for path in shipped) < 12_000_000


def test_expansion_is_the_same_every_time_and_leaves_a_whole_target_alone(checkpoint: Path, tmp_path: Path) -> None:
    again = pack.expand(tmp_path / "checkpoint")
    assert digests(again) == digests(checkpoint)
    before = again.stat().st_ino
    assert pack.expand(again).stat().st_ino == before
    (again / pack.WEIGHTS).write_bytes(b"cut")
    assert digests(pack.expand(again)) == digests(checkpoint)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_token_ids_are_qwens(reader: Reader) -> None:
    tokenizer = reader.processor.tokenizer
    for token, index in SPECIAL_IDS.items():
        assert tokenizer.convert_tokens_to_ids(token) == index
        assert tokenizer.encode(token) == [index]
    assert tokenizer.padding_side == "left"
    assert tokenizer.eos_token_id == 151645
    assert tokenizer.pad_token_id == 151643
    config = reader.model.config
    assert config.text_config.vocab_size == VOCAB_SIZE == reader.model.get_input_embeddings().num_embeddings
    assert (config.image_token_id, config.video_token_id) == (151655, 151656)
    assert (config.vision_start_token_id, config.vision_end_token_id) == (151652, 151653)


def test_text_survives_the_tokenizer(reader: Reader) -> None:
    tokenizer = reader.processor.tokenizer
    texts = [
        '{"object_1": {"bbox_2d": [100,200,300,400], "desc": "标签/可识别"}}',
        "Verdict: 通过\nReason: 两台BBU之间有挡风板。\nConfidence: 0.85",
        "囧 naïve ☃ 12345\t\n",
    ]
    for text in texts:
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer.encode("12345")) == 5
    assert all(len(tokenizer.encode(prompt.system)) <= 250 for prompt in real_prompts())


@pytest.mark.parametrize("prompt", [real_prompts()[1], dense_prompt()], ids=["summary", "dense"])
def test_the_prompts_of_training_are_the_chat_templates(reader: Reader, prompt: Prompt) -> None:
    turns = [
        {"role": "system", "content": prompt.system},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt.user}]},
    ]
    text = reader.processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    backend = reader.processor.tokenizer.backend_tokenizer
    trim = Trim(ordinary_size(backend))
    parts = conversation(prompt, backend, trim)
    ids = [trim.small(token) for token in reader.processor.tokenizer.encode(text)]
    assert ids == [*parts.head, trim.small(SPECIAL_IDS["<|image_pad|>"]), *parts.tail]


def test_training_sees_the_processors_pixels(reader: Reader) -> None:
    picture = take(seed_of(Split.TESTS, 9))
    expected = reader.processor.image_processor(images=[photo(picture.scene)], return_tensors="pt")
    assert torch.allclose(pixel_values([picture]), expected["pixel_values"], atol=1e-6)
    cols, rows = picture.scene.grid
    assert expected["image_grid_thw"].tolist() == [[1, 2 * rows, 2 * cols]]


@given(st.integers(60, 2500), st.integers(60, 2500))
@settings(max_examples=300, deadline=None)
def test_the_grid_is_the_processors(width: int, height: int) -> None:
    resized_height, resized_width = smart_resize(height, width, CELL, PIXELS_MIN, PIXELS_MAX)
    assert grid_of((width, height)) == (resized_width // CELL, resized_height // CELL)


def test_it_reads_photos_it_has_never_seen(reader: Reader) -> None:
    scenes = [sample(seed_of(Split.TESTS, 1000 + i)) for i in range(64)]
    right = [answer == summary(scene) for answer, scene in zip(reader.read(scenes), scenes, strict=True)]
    assert sum(right) >= 0.97 * len(scenes)


def test_it_captions_photos_it_has_never_seen_by_the_strict_rules(reader: Reader) -> None:
    scenes = [sample(seed_of(Split.TESTS, 5000 + i)) for i in range(16)]
    judged = [judge(*pair) for pair in zip(scenes, reader.caption(scenes, max_new_tokens=320), strict=True)]
    total = sum((item.score for item in judged), Score())
    assert total.valid >= 12
    assert total.f1 >= 0.75
    assert total.desc_accuracy >= 0.95


def test_an_answer_that_the_limit_ends_is_told_apart(reader: Reader) -> None:
    scenes = [sample(seed_of(Split.TESTS, 4000 + i)) for i in range(2)]
    (cut, _) = reader.caption(scenes, max_new_tokens=2)
    assert (cut.finish_reason, cut.tokens) == ("length", 2)
    assert judge(scenes[0], cut).violations == {"length"}


def test_the_adapter_answers_in_its_own_dialect(checkpoint: Path) -> None:
    scenes = [sample(seed_of(Split.TESTS, 2000 + i)) for i in range(16)]
    answers = Reader(checkpoint, ADAPTER).read(scenes)
    assert sum(a == adapter_summary(s) for a, s in zip(answers, scenes, strict=True)) >= 15


def test_sampling_stays_within_the_tokens_in_use(reader: Reader) -> None:
    scenes = [sample(seed_of(Split.TESTS, 3000 + i)) for i in range(8)]
    torch.manual_seed(0)
    prompt = reader.prompt_inputs(scenes)
    tokens = reader.model.generate(**prompt, do_sample=True, temperature=1.0, top_p=1.0, top_k=0, max_new_tokens=128)
    answer = tokens[:, prompt["input_ids"].shape[1] :]
    unused = (answer >= ordinary_size(reader.processor.tokenizer.backend_tokenizer)) & (answer < 151643)
    assert not unused.any()


def test_the_report_meets_the_targets() -> None:
    report = json.loads((pack.DEMO / "checkpoint" / "report.json").read_text(encoding="utf-8"))
    for name, target in (("base", 0.97), ("adapter", 0.95)):
        result = report[name]
        assert result["scenes"] >= 480
        assert result["exact"] >= target
        assert result["right"] == sum(group["right"] for group in result["by_kind"].values())
        assert all(seed // 10**9 == Split.REPORT for seed in result["seeds"])
    assert report["dense"]["scenes"] >= 240
    assert all(seed // 10**9 == Split.TRAINING for seed in report["training"]["seeds"])


def test_the_adapter_holds_no_path_and_touches_only_the_language_model() -> None:
    config = json.loads((ADAPTER / "adapter_config.json").read_text(encoding="utf-8"))
    assert "/" not in config["base_model_name_or_path"]
    assert config["r"] == 8
    assert "language_model" in config["target_modules"]
    assert "visual" not in config["target_modules"]


def test_prepare_is_instant_the_second_time_and_needs_no_torch(
    checkpoint: Path, photo_root: Path, tmp_path: Path
) -> None:
    shutil.copytree(checkpoint, tmp_path / "checkpoint")
    shutil.copytree(photo_root, tmp_path / "photos")
    prepare.prepare(tmp_path)
    code = (
        "import sys; from pathlib import Path; from infra.demo.prepare import prepare; "
        f"prepare(Path({str(tmp_path)!r})); assert 'torch' not in sys.modules"
    )
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, env=dict(os.environ), check=True)
    assert time.monotonic() - started < 5
