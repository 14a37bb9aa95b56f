"""The transformers engine on the real demo checkpoint."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import pytest
import torch
from PIL import Image

from configs.parts import InputConfig, ModelConfig
from tasks.engines.protocol import Completion, Decoding, Failure, Request
from tasks.engines.qwen.kv_slots import KVSlots
from tasks.engines.transformers import TransformersEngine
from tasks.images.open import decode
from tasks.records.errors import DeviceFailed, DeviceOutOfMemory, EngineUnavailable
from tasks.records.reasons import Reason
from tasks.summaries.prompts import summary_prompt
from tests.demo import Demo
from tests.tasks.engines.asking import GREEDY, answers, ask, ask_mixed, photo_files


@pytest.fixture
def engine(default: TransformersEngine) -> TransformersEngine:
    return default


def texts(engine: TransformersEngine, requests: list[Request]) -> dict[str, str]:
    results = {result.id: result for result in engine.generate(requests)}
    assert len(results) == len(requests)
    return {key: result.text for key, result in results.items() if isinstance(result, Completion)}


def test_text_does_not_depend_on_batch_size_or_order(demo: Demo, engine: TransformersEngine) -> None:
    files = photo_files(demo, 12)
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


def test_requests_that_are_decoded_in_different_ways_are_read_as_if_each_were_alone(
    demo: Demo, engine: TransformersEngine
) -> None:
    ways = [GREEDY, Decoding(4), Decoding(48, temperature=1.5, seed=3), Decoding(24, temperature=0.7, seed=4)]
    requests = [ask(path, ways[place % 4]) for place, path in enumerate(photo_files(demo, 12))]
    alone: dict[str, str] = {}
    for request in requests:
        alone |= texts(engine, [request])
    assert texts(engine, requests) == alone


def test_requests_are_drawn_as_there_is_room_and_no_thread_outlives_its_call(
    demo: Demo, engine: TransformersEngine
) -> None:
    drawn: list[str] = []

    def feed() -> Iterator[Request]:
        for number in range(60):
            drawn.append(str(number))
            yield replace(ask(photo_files(demo, 12)[number % 12], Decoding(2)), id=str(number))

    results = engine.generate(feed())
    assert isinstance(next(results), Completion)
    # A batch of eight, two more that are prepared ahead, and the request that is drawn for the next.
    assert len(drawn) <= 3 * 8 + 1
    results.close()
    assert len(drawn) <= 3 * 8 + 1
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("prepare")]


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


def test_the_adapter_changes_the_text(demo: Demo, engine: TransformersEngine) -> None:
    adapted = TransformersEngine(demo.checkpoint, [demo.adapter], device="cpu")
    requests = [ask(path) for path in photo_files(demo, 24)]
    base, with_adapter = texts(engine, requests), texts(adapted, requests)
    adapted.close()
    assert base != with_adapter


def test_a_batch_that_does_not_fit_begins_again_with_half_the_tokens(
    demo: Demo, engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that holds three rows: memory is really taken, and more is refused."""
    requests = [ask(path) for path in photo_files(demo, 10)]
    expected = {result.id: result for result in engine.generate(requests)}
    reserve = KVSlots.reserve
    sizes: list[int] = []

    def small(slots: KVSlots, rows: int, room: int) -> None:
        sizes.append(rows)
        if rows > 3:
            raise torch.OutOfMemoryError("out of memory")
        reserve(slots, rows, room)

    monkeypatch.setattr(engine._generator, "_steps", None)
    monkeypatch.setattr(KVSlots, "reserve", small)
    monkeypatch.setattr(engine._batching, "most_tokens", engine._batching.most_tokens)  # so that it is put back
    assert {result.id: result for result in engine.generate(requests)} == expected
    assert sizes[:2] == [8, 4]
    assert max(sizes[2:]) <= 4
    refused = [size for size in sizes if size > 3]
    list(engine.generate(requests))
    # What was learnt of the device is kept.
    assert [size for size in sizes if size > 3] == refused


def test_one_photo_that_does_not_fit_is_an_error_that_can_be_tried_again(
    demo: Demo, engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> object:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(engine._generator, "_prefill", never)
    monkeypatch.setattr(engine._batching, "most_tokens", engine._batching.most_tokens)
    with pytest.raises(DeviceOutOfMemory, match=r"1 photos, .* lower model\.max_pixels") as caught:
        list(engine.generate([ask(path) for path in photo_files(demo, 2)]))
    assert caught.value.retryable


def test_a_device_that_broke_asks_for_a_new_engine(
    demo: Demo, engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> object:
        raise torch.AcceleratorError("an illegal memory access was encountered")

    monkeypatch.setattr(engine._generator, "_prefill", broken)
    with pytest.raises(EngineUnavailable, match="run again"):
        list(engine.generate([ask(path) for path in photo_files(demo, 1)]))


def test_a_step_that_fails_names_the_photos_and_the_engine_goes_on(
    demo: Demo, engine: TransformersEngine, expected: dict[str, Completion], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a size that does not fit another raises in the middle of a batch, and a second try without it."""
    requests = ask_mixed(demo)

    def fails(*_: object) -> object:
        return torch.zeros(128) + torch.zeros(129)

    with monkeypatch.context() as patch:
        patch.setattr(engine._generator, "_step", fails)
        with pytest.raises(DeviceFailed, match=r"photos \(.*\): RuntimeError: .*128.*129.*") as caught:
            list(engine.generate(requests))
    assert requests[0].id in str(caught.value)
    assert caught.value.retryable
    assert {result.id: result for result in engine.generate(requests)} == expected


def test_a_stream_says_the_same_in_whole_characters(demo: Demo, engine: TransformersEngine) -> None:
    requests = [ask(path) for path in photo_files(demo, 3)]
    requests.append(ask(photo_files(demo, 1)[0], Decoding(max_new_tokens=4)))
    for request in requests:
        pieces: list[str] = []
        streamed = engine.stream(request, pieces.append)
        assert [streamed] == list(engine.generate([request]))
        assert isinstance(streamed, Completion)
        assert "".join(pieces) == streamed.text
        assert len(pieces) > 1
        assert not any("\ufffd" in piece for piece in pieces)


def test_a_sampled_stream_says_what_the_batch_says(demo: Demo, engine: TransformersEngine) -> None:
    hot = Decoding(max_new_tokens=24, temperature=1.5, seed=3)
    requests = [ask(path, hot) for path in photo_files(demo, 3)]
    together = texts(engine, requests)
    pieces: list[str] = []
    engine.stream(requests[1], pieces.append)
    assert "".join(pieces) == together[requests[1].id]


def test_a_bad_photo_fails_in_a_stream_too(engine: TransformersEngine) -> None:
    pieces: list[str] = []
    result = engine.stream(Request("noise", lambda: b"no picture", "x", "y", GREEDY), pieces.append)
    assert isinstance(result, Failure)
    assert not pieces


def test_a_small_max_model_len_shows_less_and_does_not_depend_on_batch_mates(
    demo: Demo, expected: dict[str, Completion]
) -> None:
    requests, full = ask_mixed(demo), expected
    longest = max(full.values(), key=lambda found: found.visual_tokens)
    most = longest.prompt_tokens + GREEDY.max_new_tokens - longest.visual_tokens // 3
    small = TransformersEngine(demo.checkpoint, device="cpu", model=ModelConfig(max_model_len=most))
    together = answers(small, requests)
    alone = answers(small, [next(request for request in requests if request.id == longest.id)])
    small.close()
    assert alone[longest.id] == together[longest.id]
    assert together[longest.id].scaled_by == "max_model_len"
    for key, found in together.items():
        assert found.prompt_tokens + GREEDY.max_new_tokens <= most
        if full[key].prompt_tokens + GREEDY.max_new_tokens <= most:
            assert found == full[key]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("quantisation", ["int8", "int4"])
def test_quantised_weights_read_photos(demo: Demo, quantisation: Literal["int8", "int4"]) -> None:
    pytest.importorskip("bitsandbytes")
    model = ModelConfig(quantisation=quantisation)
    engine = TransformersEngine(demo.checkpoint, [demo.adapter], device="cuda", model=model)
    assert all(found.text for found in answers(engine, [ask(path) for path in photo_files(demo, 4)]).values())
    engine.close()
