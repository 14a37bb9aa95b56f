"""The transformers engine on the real demo checkpoint."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import AutoProcessor

from configs.missions import known_missions
from configs.parts import EngineConfig, InputConfig, ModelConfig
from tasks.engines.loading import load_model, load_processor, pick_attention, pick_device, pick_dtype
from tasks.engines.photos import Patchifier
from tasks.engines.prompting import PromptEncoder
from tasks.engines.protocol import Completion, Decoding, Failure, Request
from tasks.engines.transformers import TransformersEngine
from tasks.images.open import decode
from tasks.records.errors import CheckpointError, DeviceOutOfMemory, EngineError, EngineUnavailable, PhotoError
from tasks.records.reasons import Reason
from tasks.summaries.prompts import summary_prompt
from tests.demo import Demo

MISSION = "挡风板安装检查"
GREEDY = Decoding(max_new_tokens=96)


@pytest.fixture(scope="module")
def engine(demo: Demo) -> Iterator[TransformersEngine]:
    engine = TransformersEngine(demo.checkpoint, device="cpu", engine=EngineConfig(batch_size=8))
    yield engine
    engine.close()


def photo_files(demo: Demo, most: int = 200) -> list[Path]:
    """The demo's photos that can be read, in a fixed order."""
    answers = json.loads(Path(demo.answers).read_text(encoding="utf-8"))
    names = {name for groups in answers.values() for photos in groups.values() for name in photos}
    files = [path for path in sorted(Path(demo.photos).rglob("*.*")) if path.name in names]
    return [path for path in files if is_whole(path)][:most]


def is_whole(path: Path) -> bool:
    try:
        decode(path.read_bytes(), InputConfig())
    except PhotoError:
        return False
    return True


def ask(path: Path, decoding: Decoding = GREEDY, *, sized: bool = True) -> Request:
    prompt = summary_prompt(known_missions()[MISSION])
    with Image.open(path) as image:
        width, height = image.size
    return Request(
        id=str(path),
        read=path.read_bytes,
        system=prompt.system,
        user=prompt.user,
        decoding=decoding,
        size=(width, height) if sized else None,
    )


def texts(engine: TransformersEngine, requests: list[Request]) -> dict[str, str]:
    results = {result.id: result for result in engine.generate(requests)}
    assert len(results) == len(requests)
    return {key: result.text for key, result in results.items() if isinstance(result, Completion)}


def test_inputs_are_those_of_the_processor(demo: Demo) -> None:
    """Ids, types, patches and grid equal what Qwen3VLProcessor makes of the same chat."""
    ours = load_processor(demo.checkpoint)
    theirs = AutoProcessor.from_pretrained(demo.checkpoint)
    path = photo_files(demo, 5)[-1]
    request = ask(path)
    image = decode(path.read_bytes(), InputConfig())
    chat = [
        {"role": "system", "content": [{"type": "text", "text": request.system}]},
        {"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": request.user}]},
    ]
    text = theirs.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    want = theirs(text=[text], images=[image], return_tensors="pt")
    pixels = Patchifier(ours.image_processor, ModelConfig(), InputConfig()).prepare(path.read_bytes())
    encoder = PromptEncoder(ours)
    prompt = encoder.encode(request.system, request.user)
    assert encoder.with_photo(prompt, pixels.visual_tokens) == want["input_ids"][0].tolist()
    assert torch.equal(pixels.patches, want["pixel_values"])
    assert [list(pixels.grid)] == want["image_grid_thw"].tolist()


def test_visual_tokens_are_known_from_the_size_alone(demo: Demo) -> None:
    processor = load_processor(demo.checkpoint)
    patchifier = Patchifier(processor.image_processor, ModelConfig(), InputConfig())
    for path in photo_files(demo, 30):
        pixels = patchifier.prepare(path.read_bytes())
        assert patchifier.visual_tokens(pixels.width, pixels.height) == pixels.visual_tokens
        assert pixels.visual_tokens <= patchifier.most_visual_tokens


def test_max_pixels_scales_a_photo_down(demo: Demo) -> None:
    processor = load_processor(demo.checkpoint)
    path = photo_files(demo, 1)[0]
    full = Patchifier(processor.image_processor, ModelConfig(), InputConfig()).prepare(path.read_bytes())
    small = Patchifier(processor.image_processor, ModelConfig(max_pixels=16 * 1024), InputConfig())
    assert small.prepare(path.read_bytes()).visual_tokens <= 16 < full.visual_tokens


def test_text_does_not_depend_on_batch_size_or_order(demo: Demo, engine: TransformersEngine) -> None:
    files = photo_files(demo, 24)
    alone = {}
    for path in files:
        alone.update(texts(engine, [ask(path)]))
    assert texts(engine, [ask(path) for path in files]) == alone
    assert texts(engine, [ask(path, sized=False) for path in reversed(files)]) == alone


def test_sampled_text_does_not_depend_on_batch_mates(demo: Demo, engine: TransformersEngine) -> None:
    files = photo_files(demo, 6)
    hot = Decoding(max_new_tokens=48, temperature=1.5, seed=11)
    together = texts(engine, [ask(path, hot) for path in files])
    assert texts(engine, [ask(files[2], hot)])[str(files[2])] == together[str(files[2])]
    other = texts(engine, [ask(path, Decoding(max_new_tokens=48, temperature=1.5, seed=12)) for path in files])
    assert other != together


def test_finish_reason_and_token_counts(demo: Demo, engine: TransformersEngine) -> None:
    path = photo_files(demo, 1)[0]
    (whole,) = engine.generate([ask(path)])
    (cut,) = engine.generate([ask(path, Decoding(max_new_tokens=3))])
    assert isinstance(whole, Completion)
    assert isinstance(cut, Completion)
    assert (whole.finish_reason, cut.finish_reason) == ("stop", "length")
    assert cut.completion_tokens == 3
    assert whole.text.startswith(cut.text)
    assert "<|" not in whole.text
    # The limit reached by the end token itself is a stop, not a cut.
    (exact,) = engine.generate([ask(path, Decoding(max_new_tokens=whole.completion_tokens))])
    assert isinstance(exact, Completion)
    assert (exact.text, exact.finish_reason) == (whole.text, "stop")


def test_a_bad_photo_fails_alone(demo: Demo, engine: TransformersEngine) -> None:
    files = photo_files(demo, 3)
    good = files[0].read_bytes()
    whole = texts(engine, [ask(path) for path in files])
    cut = Request("cut", lambda: good[: len(good) // 2], "x", "y", GREEDY)
    noise = Request("noise", lambda: b"no picture", "x", "y", GREEDY)
    results = {result.id: result for result in engine.generate([cut, *[ask(path) for path in files], noise])}
    reasons = {key: result.error.reason for key, result in results.items() if isinstance(result, Failure)}
    assert reasons == {"cut": Reason.TRUNCATED_IMAGE, "noise": Reason.NOT_AN_IMAGE}
    assert {key: r.text for key, r in results.items() if isinstance(r, Completion)} == whole


def test_an_upright_and_a_rotated_photo_read_the_same(demo: Demo, engine: TransformersEngine) -> None:
    image = decode(photo_files(demo, 1)[0].read_bytes(), InputConfig())
    upright, sideways = io.BytesIO(), io.BytesIO()
    image.save(upright, "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(sideways, "PNG", exif=exif)
    prompt = summary_prompt(None)
    requests = [
        Request(name, data.getvalue, prompt.system, prompt.user, GREEDY)
        for name, data in (("upright", upright), ("sideways", sideways))
    ]
    found = texts(engine, requests)
    assert found["upright"] == found["sideways"]


def test_a_request_that_does_not_fit_is_refused_with_its_numbers(demo: Demo) -> None:
    small = TransformersEngine(demo.checkpoint, device="cpu", model=ModelConfig(max_model_len=128))
    with pytest.raises(EngineError, match=r"more than 128; lower model\.max_pixels"):
        list(small.generate([ask(photo_files(demo, 1)[0])]))
    small.close()


def test_the_adapter_changes_the_text(demo: Demo, engine: TransformersEngine) -> None:
    adapted = TransformersEngine(demo.checkpoint, [demo.adapter], device="cpu")
    requests = [ask(path) for path in photo_files(demo, 24)]
    base, with_adapter = texts(engine, requests), texts(adapted, requests)
    adapted.close()
    assert base != with_adapter


def test_a_checkpoint_that_lacks_a_weight_is_refused(demo: Demo, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for path in Path(demo.checkpoint).iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    gone = next(name for name in weights if "mlp" in name)
    del weights[gone]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="lacks 1 weights"):
        load_model(str(tmp_path), [], ModelConfig(), torch.device("cpu"))


def test_broken_folders_are_checkpoint_errors(demo: Demo, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="processor"):
        load_processor(str(tmp_path))
    with pytest.raises(CheckpointError, match="adapter"):
        load_model(demo.checkpoint, [str(tmp_path)], ModelConfig(), torch.device("cpu"))


def test_device_dtype_and_attention_on_a_cpu() -> None:
    cpu = torch.device("cpu")
    assert pick_device("cpu") == cpu
    assert pick_dtype("auto", cpu) is torch.float32
    assert pick_dtype("bfloat16", cpu) is torch.bfloat16
    assert pick_attention("auto", cpu, torch.float32) == "sdpa"
    assert pick_attention("eager", cpu, torch.float32) == "eager"
    with pytest.raises(EngineError, match="flash-attn"):
        pick_attention("flash_attention_2", cpu, torch.float32)
    if not torch.cuda.is_available():
        assert pick_device("auto") == cpu
        with pytest.raises(EngineError, match="finds no CUDA device"):
            pick_device("cuda:0")


def test_a_batch_that_does_not_fit_is_halved_and_so_are_those_after_it(
    demo: Demo, engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that holds three rows: the forward pass is the real one, and refuses more."""
    requests = [ask(path) for path in photo_files(demo, 24)]
    expected = {result.id: result for result in engine.generate(requests)}
    forward = engine._forward
    sizes: list[int] = []

    def small(rows: list[object]) -> object:
        sizes.append(len(rows))
        if len(rows) > 3:
            raise torch.OutOfMemoryError("out of memory")
        return forward(rows)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "_forward", small)
    monkeypatch.setattr(engine, "_too_many", float("inf"))
    assert {result.id: result for result in engine.generate(requests)} == expected
    assert sizes[:2] == [8, 4]
    assert max(sizes[2:]) <= 4
    # Later batches have the size that did not fit: they are halved before they are tried.
    assert sizes.count(8) == 1


def test_one_photo_that_does_not_fit_is_an_error_that_can_be_tried_again(
    demo: Demo, engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(rows: list[object]) -> object:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(engine, "_forward", never)
    monkeypatch.setattr(engine, "_too_many", float("inf"))
    with pytest.raises(DeviceOutOfMemory, match=r"lower model\.max_pixels") as caught:
        list(engine.generate([ask(path) for path in photo_files(demo, 2)]))
    assert caught.value.retryable


def test_a_device_that_broke_asks_for_a_new_engine(
    demo: Demo, engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(rows: list[object]) -> object:
        raise torch.AcceleratorError("an illegal memory access was encountered")

    monkeypatch.setattr(engine, "_forward", broken)
    with pytest.raises(EngineUnavailable, match="run again"):
        list(engine.generate([ask(path) for path in photo_files(demo, 1)]))
