"""Scores by a server's `top_logprobs`: real ms-swift and vLLM held to the reference, and servers that give none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from configs.parts import EndpointConfig, EngineConfig
from tasks.engines.endpoint import EndpointEngine
from tasks.engines.protocol import Completion, Decoding, Engine, Failure, Request, Scores
from tasks.engines.reference import ReferenceEngine
from tasks.engines.swift import SwiftEngine
from tasks.engines.top_logprobs import Branching, branching
from tasks.records.errors import NoScores
from tasks.records.reasons import Reason
from tests.demo import Demo
from tests.tasks.engines.asking import ask_mixed
from tests.tasks.engines.faulty import Script, chat, faulty, status
from tests.vllm import Vllm

VERDICT = Request("v", None, "你是审核员。", "图1：光模块×1。结论：", Decoding(8), continuations=("通过", "不通过"))


def test_continuations_part_at_the_first_token_that_differs() -> None:
    assert branching([[1, 2, 3, 9], [1, 2, 4], [1, 2, 5, 3]]) == Branching((1, 2), (3, 4, 5))
    assert branching([[7], [8, 1]]) == Branching((), (7, 8))


@pytest.mark.parametrize(
    "given", [[[1, 2]], [[1, 2], [1, 2]], [[1, 2], [1, 2, 3]], [[1, 2], [1, 3], [1, 3, 4]]], ids=str
)
def test_continuations_that_one_token_does_not_tell_apart_have_no_scores(given: list[list[int]]) -> None:
    with pytest.raises(NoScores, match="give two or more that do"):
        branching(given)


@pytest.fixture(scope="module")
def asked(demo: Demo, expected: dict[str, Completion]) -> list[Request]:
    """Of photos, how many there are of what the summary names first; and what it begins with."""
    found = []
    for request in ask_mixed(demo)[:4]:
        text = expected[request.id].text
        at = text.index("×") + 1
        counts = (f"{text[:at]}1", f"{text[:at]}2")
        found += [
            replace(request, continuations=counts),
            replace(request, id=f"{request.id} begins", continuations=(text, "接地线×1")),
        ]
    return found


def held_to_reference(engine: Engine, reference: ReferenceEngine, asked: list[Request]) -> None:
    found = {result.id: result for result in engine.generate(asked)}
    for request in asked:
        scores = found[request.id]
        assert isinstance(scores, Scores)
        (one,) = reference.generate([firsts(reference, request)])
        assert isinstance(one, Scores)
        assert scores.prompt_tokens == one.prompt_tokens
        assert scores.tokens == (1,) * len(request.continuations)
        assert differences(scores) == pytest.approx(differences(one), abs=1e-4)


def firsts(reference: ReferenceEngine, request: Request) -> Request:
    """The request with continuations that end where they differ: what is after that is not told by a server."""
    tokenizer = reference._processor.tokenizer
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in request.continuations]
    where = branching(ids)
    return replace(request, continuations=tuple(tokenizer.decode([*where.common, token]) for token in where.tokens))


def differences(scores: Scores) -> list[float]:
    return [one - scores.log_probs[0] for one in scores.log_probs[1:]]


def test_swift_compares_answers_as_the_reference_does(
    demo: Demo, reference: ReferenceEngine, asked: list[Request]
) -> None:
    with closing(SwiftEngine(demo.checkpoint, device="cpu", engine=EngineConfig(kind="swift", batch_size=8))) as swift:
        held_to_reference(swift, reference, asked)
        other = replace(asked[0], continuations=("装反了×1", "装反了×2"))
        (failure,) = swift.generate([other])
    assert isinstance(failure, Failure)
    assert failure.error.reason is Reason.NO_SCORES
    assert "begins its answer in another way" in str(failure.error)


def test_a_server_of_swift_compares_answers_as_the_reference_does(
    demo: Demo, reference: ReferenceEngine, asked: list[Request], deployed: EngineConfig
) -> None:
    with closing(EndpointEngine(demo.checkpoint, engine=deployed)) as engine:
        held_to_reference(engine, reference, asked)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_vllm_compares_answers_as_the_reference_does_whatever_they_begin_with(
    demo: Demo, reference: ReferenceEngine, asked: list[Request], vllm: Vllm
) -> None:
    config = EngineConfig(kind="endpoint", endpoint=EndpointConfig(url=vllm.url, deadline_seconds=120))
    more = replace(asked[0], id="more", continuations=("看: BBU设备×1", "看: BBU设备×2"))
    with closing(EndpointEngine(demo.checkpoint, engine=config)) as engine:
        held_to_reference(engine, reference, [*asked, more])


@pytest.fixture
def server() -> Iterator[Script]:
    with faulty() as script:
        yield script


def opened(server: Script, checkpoint: str = "") -> EndpointEngine:
    endpoint = EndpointConfig(url=server.url, timeout_seconds=5, deadline_seconds=10)
    return EndpointEngine(checkpoint, engine=EngineConfig(kind="endpoint", endpoint=endpoint))


def told(*places: tuple[str, dict[str, float]]) -> Any:
    """A chat completion with log-probabilities: of each place what was written, and what else is likely."""
    answer = chat("".join(token for token, _ in places), "length")
    content = [
        {"token": token, "logprob": -0.1, "top_logprobs": [{"token": t, "logprob": p} for t, p in top.items()]}
        for token, top in places
    ]
    answer["choices"][0]["logprobs"] = {"content": content}
    return status(200, answer)


def test_what_is_sent_to_score_and_what_comes_back(server: Script, demo: Demo) -> None:
    engine = opened(server, demo.checkpoint)
    server.acts = [told(("通过", {"通过": -0.25, "不通过": -1.5, "x": -9.0}))]
    (found,) = engine.generate([VERDICT])
    assert found == Scores("v", (-0.25, -1.5), (1, 1), 120)
    (body,) = server.asked
    assert {"logprobs": True, "top_logprobs": 20, "max_tokens": 1, "temperature": 0.0}.items() <= body.items()


@pytest.mark.parametrize("owner", ["vllm", "sglang", "somebody"])
def test_a_common_beginning_is_handed_over_or_must_be_written(server: Script, demo: Demo, owner: str) -> None:
    server.owned_by = owner
    engine = opened(server, demo.checkpoint)
    request = replace(VERDICT, continuations=("BBU设备×1", "BBU设备×2"))
    where = ("1", {"1": -0.5, "2": -1.0})
    written = [told(("BBU设备", {}), ("×", {}), where), told(("BBU设备", {}), (":", {}), where)]
    server.acts = written if owner == "somebody" else [told(where)]
    (found,) = engine.generate([request])
    assert isinstance(found, Scores)
    assert found.log_probs == (-0.5, -1.0)
    body = server.asked[0]
    if owner == "somebody":
        assert body["max_tokens"] == 3
        (other,) = engine.generate([request])
        assert isinstance(other, Failure)
        assert other.error.reason is Reason.NO_SCORES
        return
    assert found.prompt_tokens == 118
    assert body["max_tokens"] == 1
    assert body["messages"][-1] == {"role": "assistant", "content": "BBU设备×"}
    assert body["continue_final_message"] is True
    assert body.get("add_generation_prompt", owner != "vllm") is (owner != "vllm")


@pytest.mark.parametrize(
    "act",
    [
        told(("通过", {"通过": -0.25})),
        told(("\ufffd", {"\ufffd": -0.5})),
        told(),
        told(("通过", {})),
    ],
    ids=["not among the likeliest", "parts of characters", "nothing written", "no likeliest"],
)
def test_a_photo_without_scores_is_a_failure_and_the_next_run_tries_again(server: Script, demo: Demo, act: Any) -> None:
    engine = opened(server, demo.checkpoint)
    server.acts = [act]
    (found,) = engine.generate([VERDICT])
    assert isinstance(found, Failure)
    assert found.error.reason is Reason.NO_SCORES


def test_a_server_that_gives_no_log_probabilities_is_told(server: Script, demo: Demo) -> None:
    with pytest.raises(NoScores, match=rf"{server.url} gives no log-probabilities; use engine kind transformers"):
        list(opened(server, demo.checkpoint).generate([VERDICT]))


def test_without_the_checkpoints_folder_nobody_knows_where_answers_differ(server: Script) -> None:
    with pytest.raises(NoScores, match=r"give the folder of what the server runs \(model\.base\)"):
        list(opened(server).generate([VERDICT]))
    assert not server.asked


def test_log_probabilities_in_another_format_do_not_matter_to_who_did_not_ask(server: Script) -> None:
    answer = chat()
    answer["choices"][0]["logprobs"] = {"tokens": ["a"], "content": "b"}
    server.acts = [status(200, answer)]
    (found,) = opened(server).generate([replace(VERDICT, continuations=())])
    assert isinstance(found, Completion)
