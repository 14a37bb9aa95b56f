"""Requests without a photo on the demo checkpoint, held to transformers' own `generate` and forward pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from configs.parts import EngineConfig, ModelConfig
from tasks.engines.loading import load_model, load_processor
from tasks.engines.protocol import Completion, Decoding, Failure, Request, Scores
from tasks.engines.transformers import TransformersEngine
from tasks.records.reasons import Reason
from tests.demo import Demo
from tests.tasks.engines.asking import ask_mixed

SYSTEM = "你是通信机柜安装质量的审核员。"
RULES = "任务：挡风板安装检查。\n" + "规则：安装螺丝必须符合要求；两个BBU设备之间必须有挡风板。\n" * 6
GREEDY = Decoding(24)


def ticket(number: int, decoding: Decoding = GREEDY, sample: int = 0) -> Request:
    photos = "".join(f"图{place}：BBU设备×{1 + number % 3}，光模块×{place}。\n" for place in range(1, 2 + number % 4))
    return Request(f"{number}/{sample}", None, SYSTEM, RULES + photos, decoding, shared=len(RULES))


def results(engine: TransformersEngine, requests: list[Request]) -> dict[str, Any]:
    found = {result.id: result for result in engine.generate(requests)}
    assert found.keys() == {request.id for request in requests}
    return found


@pytest.fixture(scope="module")
def engine(demo: Demo) -> Iterator[TransformersEngine]:
    engine = TransformersEngine(demo.checkpoint, device="cpu", engine=EngineConfig(batch_size=8))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def published(demo: Demo) -> tuple[Any, Any]:
    return (
        load_model(demo.checkpoint, (), ModelConfig(), torch.device("cpu")),
        load_processor(demo.checkpoint),
    )


def chat_ids(processor: Any, request: Request, answer: str = "") -> torch.Tensor:
    chat = [
        {"role": "system", "content": [{"type": "text", "text": request.system}]},
        {"role": "user", "content": [{"type": "text", "text": request.user}]},
    ]
    text = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) + answer
    return torch.tensor([processor.tokenizer(text, add_special_tokens=False)["input_ids"]])


@pytest.mark.parametrize("size", [1, 3, 8])
def test_texts_are_those_of_generate_in_a_batch_of_any_size(
    engine: TransformersEngine, published: tuple[Any, Any], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine._batching, "_config", EngineConfig(batch_size=size))
    model, processor = published
    requests = [ticket(number) for number in range(9)]
    found = results(engine, requests)
    for request in requests[:: 4 if size == 1 else 1]:
        ids = chat_ids(processor, request)
        output = model.generate(input_ids=ids, max_new_tokens=GREEDY.max_new_tokens, do_sample=False)[0, ids.shape[1] :]
        ended = processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
        want = output.tolist()[:-1] if int(output[-1]) == ended else output.tolist()
        assert found[request.id].text == processor.tokenizer.decode(want)
        assert found[request.id].prompt_tokens == ids.shape[1]
        assert (found[request.id].visual_tokens, found[request.id].width) == (0, 0)


def test_what_tickets_share_is_read_once_and_a_ticket_once_for_its_samples(
    engine: TransformersEngine, published: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[int, int]] = []
    language = engine._generator.language
    forward = type(language).__call__

    def counted(self: Any, embeds: torch.Tensor, *rest: Any, **named: Any) -> torch.Tensor:
        if embeds.shape[1] > 1:
            read.append(tuple(embeds.shape[:2]))  # type: ignore[arg-type]
        return forward(self, embeds, *rest, **named)

    monkeypatch.setattr(type(language), "__call__", counted)
    engine._generator._read_shared.cache_clear()
    grid = [Decoding(24), *[Decoding(24, temperature=0.5, top_p=0.95, seed=17)] * 3]
    requests = [ticket(number, decoding, sample) for number in range(5) for sample, decoding in enumerate(grid)]
    assert len(results(engine, requests)) == 20
    shared, *own = read
    lengths = [chat_ids(published[1], ticket(number)).shape[1] - shared[1] for number in range(5)]
    assert shared[0] == 1
    assert shared[1] > 100
    assert sum(rows for rows, _ in own) == 5
    assert sum(lengths) <= sum(rows * tokens for rows, tokens in own) <= 5 * max(lengths)


def test_samples_are_the_same_in_any_company(engine: TransformersEngine) -> None:
    hot = Decoding(16, temperature=0.9, top_p=0.95, seed=17)
    requests = [ticket(number, hot, sample) for number in range(3) for sample in range(4)]
    together = results(engine, requests)
    assert len({together[f"1/{sample}"].text for sample in range(4)}) > 1
    for request in requests[::5]:
        assert results(engine, [request]) == {request.id: together[request.id]}
    assert results(engine, requests[::-1]) == together


def test_photos_and_texts_may_be_asked_together(
    demo: Demo, engine: TransformersEngine, expected: dict[str, Completion]
) -> None:
    photos, texts = ask_mixed(demo), [ticket(number) for number in range(3)]
    found = results(engine, [*photos[:4], *texts, *photos[4:]])
    assert {request.id: found[request.id] for request in photos} == expected
    assert {request.id: found[request.id] for request in texts} == results(engine, texts)


def test_an_answer_ends_before_a_stop_string(demo: Demo, engine: TransformersEngine) -> None:
    photo = ask_mixed(demo)[1]
    whole = results(engine, [photo])[photo.id]
    middle = whole.text[len(whole.text) // 2 :][:2]
    ended = replace(photo, decoding=Decoding(96, stop=("不会出现", middle)))
    found = results(engine, [ended, ticket(1)])[photo.id]
    assert found.text == whole.text[: whole.text.index(middle)]
    assert found.finish_reason == "stop"
    assert found.completion_tokens < whole.completion_tokens


def test_scores_are_those_of_one_forward_pass(
    demo: Demo, engine: TransformersEngine, published: tuple[Any, Any]
) -> None:
    """In float64: over answers that the checkpoint never gives, float32's own pass is off by a thousandth."""
    exact = load_model(demo.checkpoint, (), ModelConfig(), torch.device("cpu")).double()
    processor = published[1]
    answers = ("Verdict: 通过", "Verdict: 不通过", "通过")
    requests = [Request(f"{n}", None, SYSTEM, ticket(n).user, GREEDY, continuations=answers) for n in range(4)]
    found = results(engine, [*requests, ticket(0)])
    for request in requests:
        scores = found[request.id]
        assert isinstance(scores, Scores)
        prompt = chat_ids(processor, request).shape[1]
        assert scores.prompt_tokens == prompt
        for answer, log_prob, tokens in zip(answers, scores.log_probs, scores.tokens, strict=True):
            ids = chat_ids(processor, request, answer)
            assert tokens == ids.shape[1] - prompt
            with torch.inference_mode():
                logits = exact(input_ids=ids).logits[0].log_softmax(-1)
            want = logits[prompt - 1 : -1].gather(1, ids[0, prompt:, None]).sum()
            assert log_prob == pytest.approx(float(want), abs=1e-4)


def test_a_text_that_does_not_fit_is_a_failure_and_the_others_are_answered(demo: Demo) -> None:
    small = TransformersEngine(demo.checkpoint, device="cpu", model=ModelConfig(max_model_len=400))
    long = Request("long", None, SYSTEM, "光模块×1，" * 200, GREEDY, continuations=("通过", "不通过"))
    found = results(small, [ticket(0), long])
    small.close()
    assert isinstance(found["0/0"], Completion)
    assert isinstance(found["long"], Failure)
    assert found["long"].error.reason is Reason.PROMPT_TOO_LONG
