"""ms-swift's engine says what the default engine says."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, Literal

import pytest
import torch

from configs.parts import EngineConfig, ModelConfig
from tasks.engines.protocol import Completion, Decoding, Failure, Request
from tasks.engines.swift import SwiftEngine
from tasks.engines.transformers import TransformersEngine
from tasks.records.errors import CheckpointError, DeviceOutOfMemory, EngineError
from tasks.records.reasons import Reason
from tests.demo import Demo
from tests.tasks.engines.asking import answers, ask_bytes, ask_mixed, mixed

CONFIG = EngineConfig(kind="swift", batch_size=8)


@pytest.fixture(scope="module")
def swift(demo: Demo) -> Iterator[SwiftEngine]:
    engine = SwiftEngine(demo.checkpoint, device="cpu", engine=CONFIG)
    yield engine
    engine.close()


def test_completions_are_those_of_the_default_engine(
    demo: Demo, expected: dict[str, Completion], swift: SwiftEngine
) -> None:
    assert answers(swift, ask_mixed(demo)) == expected


@pytest.mark.parametrize("decoding", [Decoding(5), Decoding(12, temperature=1.3, top_p=0.9, seed=5)])
def test_limits_and_sampling_are_those_of_the_default_engine(
    demo: Demo, default: TransformersEngine, swift: SwiftEngine, decoding: Decoding
) -> None:
    requests = ask_mixed(demo, decoding)[-5:]
    assert answers(swift, requests) == answers(default, requests)


def test_a_stream_is_that_of_the_default_engine(demo: Demo, default: TransformersEngine, swift: SwiftEngine) -> None:
    for request in ask_mixed(demo)[-2:]:
        pieces: list[str] = []
        theirs: list[str] = []
        assert swift.stream(request, pieces.append) == default.stream(request, theirs.append)
        assert pieces == theirs


def test_adapters_work_as_in_the_default_engine(demo: Demo) -> None:
    requests = ask_mixed(demo)[-4:]
    ours = TransformersEngine(demo.checkpoint, [demo.adapter], device="cpu")
    theirs = SwiftEngine(demo.checkpoint, [demo.adapter], device="cpu", engine=CONFIG)
    expected = answers(ours, requests)
    assert answers(theirs, requests) == expected
    ours.close()
    theirs.close()


def test_a_bad_photo_fails_alone(demo: Demo, expected: dict[str, Completion], swift: SwiftEngine) -> None:
    good = ask_mixed(demo)[:3]
    data = next(iter(mixed(demo).values()))
    bad = [ask_bytes("cut", data[: len(data) // 2]), ask_bytes("noise", b"no picture")]
    results = {result.id: result for result in swift.generate([bad[0], *good, bad[1]])}
    failed = {key: result.error.reason for key, result in results.items() if isinstance(result, Failure)}
    assert failed == {"cut": Reason.TRUNCATED_IMAGE, "noise": Reason.NOT_AN_IMAGE}
    assert {request.id: results[request.id] for request in good} == {
        request.id: expected[request.id] for request in good
    }
    assert isinstance(swift.stream(bad[1], lambda text: None), Failure)


def test_a_small_max_model_len_is_kept_as_in_the_default_engine(demo: Demo) -> None:
    model = ModelConfig(max_model_len=300)
    requests = ask_mixed(demo)[-4:]
    ours = TransformersEngine(demo.checkpoint, device="cpu", model=model)
    theirs = SwiftEngine(demo.checkpoint, device="cpu", model=model, engine=CONFIG)
    expected = answers(ours, requests)
    assert "max_model_len" in {found.scaled_by for found in expected.values()}
    assert answers(theirs, requests) == expected
    ours.close()
    theirs.close()


def test_a_prompt_that_ms_swift_would_change_is_refused(
    demo: Demo, default: TransformersEngine, swift: SwiftEngine
) -> None:
    data = next(iter(mixed(demo).values()))

    def asked(text: str) -> list[Request]:
        return [Request("tag", lambda: data, text, f"{text}?", Decoding(8))]

    with pytest.raises(CheckpointError, match="other tokens of this prompt"):
        list(swift.generate(asked("看<image>图")))
    harmless = asked("<video><bbox><|im_end|> \n\n")
    assert answers(swift, harmless) == answers(default, harmless)


def test_a_batch_that_does_not_fit_is_halved(
    demo: Demo, expected: dict[str, Completion], swift: SwiftEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that holds three rows: ms-swift's engine is the real one, and refuses more."""
    infer = swift._swift._infer
    sizes: list[int] = []

    def small(asked: list[object], *args: object, **kwargs: object) -> object:
        sizes.append(len(asked))
        if len(asked) > 3:
            raise torch.OutOfMemoryError("out of memory")
        return infer(asked, *args, **kwargs)

    requests = ask_mixed(demo)
    monkeypatch.setattr(swift._swift, "_infer", small)
    monkeypatch.setattr(swift._batches, "too_many", float("inf"))
    assert answers(swift, requests) == expected
    assert max(sizes[2:]) <= 4


def test_its_errors_are_ours(demo: Demo, swift: SwiftEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = ask_mixed(demo)[:1]

    def failing(error: Exception) -> object:
        def infer(*args: object, **kwargs: object) -> object:
            raise error

        return infer

    monkeypatch.setattr(swift._swift, "_infer", failing(torch.OutOfMemoryError("out of memory")))
    with pytest.raises(DeviceOutOfMemory, match=r"lower model\.max_pixels"):
        list(swift.generate(requests))
    monkeypatch.setattr(swift._swift, "_infer", failing(ValueError("no such thing")))
    with pytest.raises(EngineError, match=r"swift/transformers has no answer for three different .*: no such thing"):
        list(swift.generate(ask_mixed(demo)[:3]))


def test_a_photo_that_ms_swift_fails_on_fails_alone(
    demo: Demo, expected: dict[str, Completion], swift: SwiftEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ms-swift's engine is the real one, and refuses every batch that one photo is in."""
    infer, requests = swift._swift._infer, ask_mixed(demo)
    bad = (expected["elongated"].shown_width, expected["elongated"].shown_height)

    def picky(asked: list[Any], *args: object, **kwargs: object) -> object:
        if bad in [one.messages[1]["content"][0]["image"].size for one in asked]:
            raise ValueError("no such picture")
        return infer(asked, *args, **kwargs)

    monkeypatch.setattr(swift._swift, "_infer", picky)
    results = {result.id: result for result in swift.generate(requests)}
    failed = {key: result for key, result in results.items() if isinstance(result, Failure)}
    assert failed.keys() == {"elongated"}
    assert {result.error.reason for result in failed.values()} == {Reason.ENGINE_FAILED}
    assert all(results[key] == expected[key] for key in results.keys() - failed.keys())


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("repetition", Reason.ANSWER_REPEATS), ("abort", Reason.ANSWER_BROKEN_OFF), (None, Reason.ANSWER_BROKEN_OFF)],
)
def test_an_answer_that_ends_in_another_way_is_that_photos_failure(
    demo: Demo, swift: SwiftEngine, monkeypatch: pytest.MonkeyPatch, finish: str | None, reason: Reason
) -> None:
    infer, request = swift._swift._infer, ask_mixed(demo, Decoding(3))[0]

    def ending(*args: object, **kwargs: object) -> object:
        (answer,) = infer(*args, **kwargs)
        answer.choices[0].finish_reason = finish
        return [answer]

    monkeypatch.setattr(swift._swift, "_infer", ending)
    (found,) = swift.generate([request])
    assert isinstance(found, Failure)
    assert found.error.reason is reason


def test_a_back_end_of_its_own_tells_of_each_request(
    demo: Demo, swift: SwiftEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As vLLM's engine does when ms-swift is not strict: an exception in the place of one answer."""
    infer, requests = swift._swift._infer, ask_mixed(demo, Decoding(3))[:4]

    def some(asked: list[object], config: object, *, use_tqdm: bool) -> list[object]:
        answers = infer(asked, config)
        return [ValueError("too long") if at == 1 else answer for at, answer in enumerate(answers)]

    monkeypatch.setattr(swift, "_own_batches", True)
    monkeypatch.setattr(swift._swift, "infer", some)
    results = list(swift.generate(requests))
    assert [isinstance(result, Failure) for result in results].count(True) == 1
    assert len(results) == 4


def test_it_tells_errors_alone(swift: SwiftEngine, capfd: pytest.CaptureFixture[str], demo: Demo) -> None:
    assert logging.getLogger("swift").level == logging.ERROR
    answers(swift, ask_mixed(demo)[:2])
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("backend", ["vllm", "sglang"])
def test_a_back_end_of_its_own_reads_photos(demo: Demo, backend: Literal["vllm", "sglang"]) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    engine = SwiftEngine(demo.checkpoint, device="cuda", engine=EngineConfig(kind="swift", backend=backend))
    requests = ask_mixed(demo)
    found = answers(engine, requests)
    assert all(completion.text for completion in found.values())
    pieces: list[str] = []
    streamed = engine.stream(requests[0], pieces.append)
    assert "".join(pieces) == found[requests[0].id].text
    assert streamed.id == requests[0].id
    engine.close()
