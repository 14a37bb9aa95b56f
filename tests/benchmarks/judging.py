"""`python -m tests.benchmarks.judging`: candidates a second of each way to ask for them, as ratios in one run.

`generate` is what the published scripts do, one group after the other; `swift` is ms-swift's own engine; `engine` is
ours. The same requests, by turns; the greedy cell's texts are compared. Ours is also asked how many tokens it read,
against what the others read: what tickets share, and a ticket for its samples, is read once.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from configs.judge import JudgeConfig
from configs.missions import known_missions
from configs.parts import EngineConfig, ModelConfig
from tasks.engines.loading import end_tokens, load_model, load_processor, pick_device
from tasks.engines.protocol import Completion, Decoding, Request
from tasks.engines.swift import SwiftEngine
from tasks.engines.transformers import TransformersEngine
from tasks.records.guidance import seed_guidance
from tasks.records.stage_b import Ticket, TicketPhoto
from tasks.records.work import Identity
from tasks.verdicts.evidence import evidence_of
from tasks.verdicts.kind import Candidates, candidate_items
from tasks.verdicts.prompts import judge_prompt
from tests.builders import MISSION
from tests.judging import drawn_groups

Texts = dict[str, str]


def requests_for(groups: int, most: int) -> list[Request]:
    """Seven candidates for each of so many drawn groups, of at most so many tokens."""
    judge = JudgeConfig(max_new_tokens=most)
    prompt = judge_prompt("verdict", MISSION, seed_guidance(known_missions()[MISSION].requires))
    identity = Identity(prompt.digest, "0" * 64, (), {})
    decodings = tuple(Decoding(most, cell.temperature, cell.top_p, judge.seed) for cell in judge.grid)
    kind = Candidates("stage_b/x", "", prompt, identity, decodings)
    evidence = [evidence_of(_ticket(group.group_id, group.photos, texts)) for group, texts in drawn_groups(groups)]
    return [kind.request(item, 0, None) for item in candidate_items(judge, identity, evidence)]


def _ticket(group_id: str, photos: Any, texts: list[str]) -> Ticket:
    return Ticket(
        ticket_id=f"{group_id}#1",
        group_id=group_id,
        mission=MISSION,
        stage_a_complete=True,
        images=tuple(photo.name for photo in photos),
        photos=tuple(TicketPhoto(sha256=photo.sha256, work_key=photo.sha256) for photo in photos),
        summaries={f"image_{number}": text for number, text in enumerate(texts, start=1)},
    )


class Generate:
    """transformers' `generate`, a group at a time: the greedy answer, then the samples of each cell."""

    def __init__(self, checkpoint: str, device: str) -> None:
        self.device = pick_device(device)
        self.tokenizer = load_processor(checkpoint).tokenizer
        self.model = load_model(checkpoint, (), ModelConfig(), self.device)
        self.ends = end_tokens(self.model.generation_config)
        self.read = 0

    @torch.inference_mode()
    def __call__(self, requests: list[Request]) -> Texts:
        """Texts by what a candidate is sampled as."""
        cells: dict[tuple[str, Decoding], list[Request]] = {}
        for request in requests:
            cells.setdefault((request.user, request.decoding), []).append(request)
        texts: Texts = {}
        for (user, decoding), some in cells.items():
            chat = [{"role": "system", "content": some[0].system}, {"role": "user", "content": user}]
            prompt = self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
            inputs = self.tokenizer(prompt, return_tensors="pt", add_special_tokens=False).to(self.device)
            sampled = {"do_sample": True, "temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0}
            output = self.model.generate(
                **inputs,
                max_new_tokens=decoding.max_new_tokens,
                num_return_sequences=len(some),
                **(sampled if decoding.temperature else {"do_sample": False}),
            )
            self.read += inputs["input_ids"].shape[1] * len(some)
            answers = self.tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
            texts |= {request.sampled_as: text for request, text in zip(some, answers, strict=True)}
        return texts


class Ours:
    """An engine of ours."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine

    def __call__(self, requests: list[Request]) -> Texts:
        """Texts by what a candidate is sampled as."""
        name = {request.id: request.sampled_as for request in requests}
        results = [one for one in self.engine.generate(requests) if isinstance(one, Completion)]
        return {name[one.id]: one.text for one in results}


def counted(engine: TransformersEngine) -> Callable[[], int]:
    """Tokens that the engine reads before it writes, from now on."""
    read = 0
    language = type(engine._generator.language)
    call = language.__call__

    def counting(self: Any, embeds: torch.Tensor, *rest: Any, **named: Any) -> Any:
        nonlocal read
        if embeds.shape[1] > 1:
            read += embeds.shape[0] * embeds.shape[1]
        return call(self, embeds, *rest, **named)

    language.__call__ = counting  # type: ignore[method-assign]
    return lambda: read


def main() -> None:
    """Command line; prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint")
    parser.add_argument("--groups", type=int, default=40)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=64, help="most tokens of a candidate")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    requests = requests_for(args.groups, args.tokens)
    config = EngineConfig(batch_size=args.batch)
    swift = EngineConfig(kind="swift", batch_size=args.batch)
    with (
        closing(TransformersEngine(args.checkpoint, device=args.device, engine=config)) as ours,
        closing(SwiftEngine(args.checkpoint, device=args.device, engine=swift)) as theirs,
    ):
        generate = Generate(args.checkpoint, args.device)
        ways: dict[str, Callable[[list[Request]], Texts]] = {
            "generate, a group at a time": generate,
            "ms-swift": Ours(theirs),
            "our engine": Ours(ours),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        texts: dict[str, Texts] = {}
        for _ in range(args.rounds):
            for name, way in ways.items():
                began = time.monotonic()
                texts[name] = way(requests)
                seconds[name].append(time.monotonic() - began)
                print(f"{name}: {len(requests) / seconds[name][-1]:.2f} candidates a second", flush=True)
        tokens = counted(ours)
        Ours(ours)(requests)
        _show(requests, seconds, texts, tokens(), generate.read // args.rounds)


def _show(
    requests: list[Request], seconds: dict[str, list[float]], texts: dict[str, Texts], ours: int, naive: int
) -> None:
    greedy = [request.sampled_as for request in requests if request.decoding.temperature == 0]
    first = next(iter(texts.values()))
    slowest = statistics.median(next(iter(seconds.values())))
    table = Table("way", "candidates/s", "spread", "ratio", "greedy text the same")
    for name, took in seconds.items():
        rates = [len(requests) / one for one in took]
        same = sum(texts[name].get(one) == first[one] for one in greedy)
        spread = f"{min(rates):.2f}-{max(rates):.2f}"
        ratio = f"{slowest / statistics.median(took):.2f}"
        table.add_row(name, f"{statistics.median(rates):.2f}", spread, ratio, f"{same} of {len(greedy)}")
    Console().print(table)
    print(f"tokens read before writing: ours {ours}, one prompt a candidate {naive} ({naive / max(1, ours):.1f} times)")


if __name__ == "__main__":
    main()
