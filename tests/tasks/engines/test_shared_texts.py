"""200 texts with a long shared beginning: every engine says what the reference says, in batches of any size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
import torch

from configs.parts import EngineConfig
from tasks.engines.endpoint import EndpointEngine
from tasks.engines.protocol import Completion, Decoding, Engine, Request, Scores
from tasks.engines.reference import ReferenceEngine
from tasks.engines.swift import SwiftEngine
from tasks.engines.transformers import TransformersEngine
from tests.demo import Demo
from tests.deploy import deploy
from tests.random_checkpoint import make
from tests.vllm import serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

COUNT = 200
LEAST_SHARED = 600
"""Tokens that all have in common, at least."""

SYSTEM = "你是通信机柜安装质量的审核员。"
RULES = "任务：挡风板安装检查。\n" + "规则：安装螺丝必须符合要求；两个BBU设备之间必须有挡风板。\n" * 28
GREEDY = Decoding(24)
SAMPLED = Decoding(24, temperature=0.8, top_p=0.95, seed=17)
SIZES = pytest.mark.parametrize("size", [1, 8, 32])


def ticket(number: int, decoding: Decoding = GREEDY, sample: int = 0) -> Request:
    photos = "".join(
        f"图{place}：BBU设备×{1 + (number + place) % 4}，光模块×{(7 * number + place) % 9}，线缆×{number % 5}。\n"
        for place in range(1, 2 + number % 4)
    )
    return Request(f"{number}/{sample}", None, SYSTEM, f"{RULES}工单{number}\n{photos}", decoding, shared=len(RULES))


TICKETS = [ticket(number) for number in range(COUNT)]


def answers(engine: Engine, requests: list[Request]) -> dict[str, Completion]:
    results = {result.id: result for result in engine.generate(requests)}
    assert results.keys() == {request.id for request in requests}
    return {key: result for key, result in results.items() if isinstance(result, Completion)}


@pytest.fixture(scope="module")
def checkpoint(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> str:
    return make(demo.checkpoint, tmp_path_factory.mktemp("random") / "checkpoint")


@pytest.fixture(scope="module")
def speaking(checkpoint: str) -> Iterator[ReferenceEngine]:
    engine = ReferenceEngine(checkpoint, device="cpu")
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def wanted(speaking: ReferenceEngine) -> dict[str, Completion]:
    """What the reference says, float32 and greedy."""
    found = answers(speaking, TICKETS)
    assert len({one.text for one in found.values()}) > COUNT // 3
    return found


def with_size(kind: Any, size: int) -> EngineConfig:
    return EngineConfig(kind=kind, batch_size=size)


class Counted:
    """What the default engine reads before it writes: rows and tokens of each call of the language model."""

    def __init__(self, engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read: list[tuple[int, int]] = []
        language = type(engine._generator.language)
        forward = language.__call__

        def counted(language: Any, embeds: torch.Tensor, *rest: Any, **named: Any) -> torch.Tensor:
            if embeds.shape[1] > 1:
                self.read.append((embeds.shape[0], embeds.shape[1]))
            return forward(language, embeds, *rest, **named)

        monkeypatch.setattr(language, "__call__", counted)


@SIZES
def test_the_default_engine_says_the_same_and_reads_what_is_shared_once(
    checkpoint: str, wanted: dict[str, Completion], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = TransformersEngine(checkpoint, device="cpu", engine=with_size("transformers", size))
    counted = Counted(engine, monkeypatch)
    with closing(engine):
        assert answers(engine, TICKETS) == wanted
    (rows, shared), *own = counted.read
    assert rows == 1
    assert shared >= LEAST_SHARED
    assert sum(rows for rows, _ in own) == COUNT
    lengths = [one.prompt_tokens - shared for one in wanted.values()]
    assert sum(lengths) <= sum(rows * tokens for rows, tokens in own) <= COUNT * max(lengths)


@SIZES
def test_samples_can_be_repeated_and_eight_of_a_question_read_it_once(
    checkpoint: str, speaking: ReferenceEngine, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [ticket(number, SAMPLED, sample) for number in range(COUNT // 8) for sample in range(8)]
    engine = TransformersEngine(checkpoint, device="cpu", engine=with_size("transformers", size))
    counted = Counted(engine, monkeypatch)
    with closing(engine):
        found = answers(engine, requests)
        assert sum(rows for rows, _ in counted.read) == 1 + COUNT // 8
        assert len({found[f"3/{sample}"].text for sample in range(8)}) > 4
        assert answers(engine, requests[::-1]) == found
    some = requests[::16]
    assert answers(speaking, some) == {request.id: found[request.id] for request in some}


@SIZES
def test_swift_says_the_same(checkpoint: str, wanted: dict[str, Completion], size: int) -> None:
    with closing(SwiftEngine(checkpoint, device="cpu", engine=with_size("swift", size))) as engine:
        assert answers(engine, TICKETS) == wanted


@pytest.fixture(scope="module")
def swift_server(checkpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineConfig]:
    with deploy(["--max_batch_size", "32"], checkpoint, tmp_path_factory.mktemp("swift")) as config:
        yield config


@pytest.fixture(scope="module")
def vllm_server(checkpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineConfig]:
    with serving(checkpoint, tmp_path_factory.mktemp("vllm")) as server:
        yield EngineConfig.model_validate({"kind": "endpoint", "endpoint": {"url": server.url}})


@SIZES
@pytest.mark.parametrize("server", ["swift_server", "vllm_server"])
def test_a_server_says_the_same(
    checkpoint: str, wanted: dict[str, Completion], server: str, size: int, request: pytest.FixtureRequest
) -> None:
    config: EngineConfig = request.getfixturevalue(server)
    at_once = config.endpoint.model_copy(update={"concurrency": size})
    with closing(EndpointEngine(checkpoint, engine=config.model_copy(update={"endpoint": at_once}))) as engine:
        assert answers(engine, TICKETS) == wanted


@SIZES
def test_scores_are_those_of_the_reference(checkpoint: str, speaking: ReferenceEngine, size: int) -> None:
    verdicts = ("Verdict: 通过", "Verdict: 不通过", "通过", "不通过，安装螺丝不符合要求")
    asked = [replace(one, continuations=verdicts) for one in TICKETS[::8]]
    engine = TransformersEngine(checkpoint, device="cpu", engine=with_size("transformers", size))
    with closing(engine):
        found = {result.id: result for result in engine.generate([*asked, *TICKETS[1:4]])}
    for theirs in speaking.generate(asked):
        ours = found[theirs.id]
        assert isinstance(ours, Scores)
        assert isinstance(theirs, Scores)
        assert (ours.tokens, ours.prompt_tokens) == (theirs.tokens, theirs.prompt_tokens)
        assert ours.log_probs == pytest.approx(theirs.log_probs, abs=1e-4)
