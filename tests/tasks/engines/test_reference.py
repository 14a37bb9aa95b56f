"""transformers' own `generate` as an engine, which the default one is held to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from configs.parts import ModelConfig
from tasks.engines.loading import load_model, load_processor
from tasks.engines.protocol import Completion, Decoding, Engine, Failure, Request, Scores
from tasks.engines.reference import ReferenceEngine
from tasks.engines.transformers import TransformersEngine
from tasks.records.reasons import Reason
from tests.demo import Demo
from tests.tasks.engines.asking import answers, ask_bytes, ask_mixed, mixed

SAMPLED = Decoding(12, temperature=1.3, top_p=0.9, seed=5)
SYSTEM = "你是通信机柜安装质量的审核员。"


def both(ours: Engine, theirs: Engine, requests: list[Request]) -> list[dict[str, Any]]:
    return [{result.id: result for result in engine.generate(requests)} for engine in (ours, theirs)]


def test_the_default_engine_says_what_generate_says(
    demo: Demo, expected: dict[str, Completion], reference: ReferenceEngine
) -> None:
    assert answers(reference, ask_mixed(demo)) == expected


@pytest.mark.parametrize("decoding", [Decoding(5), SAMPLED])
def test_limits_and_samples_are_those_of_the_default_engine(
    demo: Demo, default: TransformersEngine, reference: ReferenceEngine, decoding: Decoding
) -> None:
    requests = ask_mixed(demo, decoding)[-4:]
    ours, theirs = both(default, reference, requests)
    assert ours == theirs
    assert both(reference, reference, requests[::-1]) == [theirs, theirs]


def test_adapters_work_as_in_the_default_engine(demo: Demo) -> None:
    ours = TransformersEngine(demo.checkpoint, [demo.adapter], device="cpu")
    theirs = ReferenceEngine(demo.checkpoint, [demo.adapter], device="cpu")
    requests = ask_mixed(demo)[-3:]
    assert answers(ours, requests) == answers(theirs, requests)
    ours.close()
    theirs.close()


def test_a_stream_is_that_of_the_default_engine(
    demo: Demo, default: TransformersEngine, reference: ReferenceEngine
) -> None:
    request = ask_mixed(demo)[-1]
    pieces: list[str] = []
    theirs: list[str] = []
    assert default.stream(request, pieces.append) == reference.stream(request, theirs.append)
    assert pieces == theirs


def test_an_answer_ends_before_a_stop_string_that_lies_across_tokens(
    demo: Demo, default: TransformersEngine, reference: ReferenceEngine, expected: dict[str, Completion]
) -> None:
    photo = ask_mixed(demo)[1]
    whole = expected[photo.id].text
    middle = whole[len(whole) // 2 :][:2]
    ours, theirs = both(default, reference, [replace(photo, decoding=Decoding(96, stop=("不会出现", middle)))])
    assert ours == theirs
    assert ours[photo.id].text == whole[: whole.index(middle)]


def test_bad_photos_and_texts_that_do_not_fit_fail_alone(demo: Demo) -> None:
    small = ReferenceEngine(demo.checkpoint, device="cpu", model=ModelConfig(max_model_len=400))
    data = next(iter(mixed(demo).values()))
    long = Request("long", None, SYSTEM, "光模块×1，" * 200, Decoding(4))
    good = Request("good", None, SYSTEM, "光模块×1。", Decoding(4))
    found = {result.id: result for result in small.generate([ask_bytes("cut", data[:99]), long, good])}
    small.close()
    failed = {key: result.error.reason for key, result in found.items() if isinstance(result, Failure)}
    assert failed == {"cut": Reason.TRUNCATED_IMAGE, "long": Reason.PROMPT_TOO_LONG}
    assert isinstance(found["good"], Completion)


def test_scores_are_those_of_one_forward_pass_over_prompt_photo_and_answer(
    demo: Demo, reference: ReferenceEngine, default: TransformersEngine
) -> None:
    """Of the model in float64."""
    exact: Any = load_model(demo.checkpoint, (), ModelConfig(), torch.device("cpu")).double()
    processor = load_processor(demo.checkpoint)
    said = ("BBU设备×1", "光模块×3，线缆×2", "无")
    asked = [replace(ask_mixed(demo)[2], continuations=said), Request("t", None, SYSTEM, "结论：", Decoding(4))]
    asked[1] = replace(asked[1], continuations=("通过", "不通过"))
    ours, theirs = both(default, reference, asked)
    for request in asked:
        scores, fast = theirs[request.id], ours[request.id]
        assert isinstance(scores, Scores)
        assert (scores.tokens, scores.prompt_tokens) == (fast.tokens, fast.prompt_tokens)
        assert fast.log_probs == pytest.approx(scores.log_probs, abs=1e-4)
    chat = [
        {"role": "system", "content": [{"type": "text", "text": SYSTEM}]},
        {"role": "user", "content": [{"type": "text", "text": "结论："}]},
    ]
    text = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    before = len(processor.tokenizer(text)["input_ids"])
    ids = torch.tensor([processor.tokenizer(text + "不通过")["input_ids"]])
    with torch.inference_mode():
        logits = exact(input_ids=ids).logits[0].log_softmax(-1)
    want = logits[before - 1 : -1].gather(1, ids[0, before:, None]).sum()
    assert theirs["t"].log_probs[1] == pytest.approx(float(want), abs=1e-4)
