"""One more token for every answer under way; on CUDA given to the device as a whole, and not kernel by kernel.

A step of the 4B model is some thousand kernels: Python starts them in 45 ms, and an H100 has done them in 8. So they
are recorded once for each shape (a CUDA graph) and played back. A shape is recorded when it comes for the second time:
the first time it runs as it is, which also sets up what must not be set up within a recording.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.engines.qwen.kv_slots import ROUND, KVSlots
from tasks.engines.qwen.language import Language
from tasks.engines.qwen.output_layer import OutputLayer

_RECORDED = 48
"""Shapes that recordings are kept of."""

Shape = tuple[int, int]
"""Slots, and tokens that are looked at in each."""


@dataclass(slots=True)
class StepOutput:
    """What a step gives, on the device: states [rows, width] and the likeliest tokens after them, int64 [rows], or None
    if these were not looked for.

    Valid until the next step.
    """

    states: Tensor
    tokens: Tensor | None


class DecodeSteps:
    """Steps of one set of slots, recorded if `record`."""

    def __init__(self, language: Language, output_layer: OutputLayer, slots: KVSlots, *, record: bool) -> None:
        self._language, self._output_layer, self.slots = language, output_layer, slots
        self._records = record
        self._recorded: dict[Shape, tuple[torch.cuda.CUDAGraph, StepOutput]] = {}
        self._seen: set[Shape] = set()
        self._moves = 0
        self._pool: tuple[int, int] | None = None

    def __call__(self, *, choose: bool = True) -> StepOutput:
        """A token more for every row; the likeliest ones are what the slots are given next.

        Without `choose` the caller gives the slots their tokens; what is recorded chooses anyway.
        """
        slots = self.slots
        rows, attended = slots.rows, slots.grow()
        if not self._records:
            return self._run(rows, attended, choose=choose)
        written = self._play(_shape(rows, attended, slots))
        return StepOutput(written.states[:rows], None if written.tokens is None else written.tokens[:rows])

    def _play(self, shape: Shape) -> StepOutput:
        if self._moves != self.slots.moves:  # recordings hold places in memory
            self._recorded.clear()
            self._seen.clear()
            self._moves, self._pool = self.slots.moves, None
        if shape not in self._seen:
            self._seen.add(shape)
            return self._run(*shape)
        if shape not in self._recorded:
            self._record(shape)
        graph, written = self._recorded[shape]
        graph.replay()
        return written

    def _record(self, shape: Shape) -> None:
        if len(self._recorded) >= _RECORDED:
            self._recorded.pop(next(iter(self._recorded)))
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        graph, device = torch.cuda.CUDAGraph(), self._language.device
        # torch's own stream for it is of the first device that recorded. What other threads do meanwhile is their own.
        stream, alone = torch.cuda.Stream(device), "thread_local"
        with (
            torch.cuda.device(device),
            torch.cuda.graph(graph, pool=self._pool, stream=stream, capture_error_mode=alone),
        ):
            written = self._run(*shape)
        self._recorded[shape] = graph, written

    def _run(self, rows: int, attended: int, *, choose: bool = True) -> StepOutput:
        slots = self.slots
        tokens, positions = slots.tokens[:rows], slots.positions[:rows]
        embeds = self._language.embed(tokens[:, None])
        states = self._language(embeds, positions.expand(3, -1)[..., None], slots.step(rows, attended))
        likeliest = self._output_layer.likeliest(states) if choose else None
        positions += 1
        if likeliest is not None:
            tokens.copy_(likeliest)
        return StepOutput(states, likeliest)


def _shape(rows: int, attended: int, slots: KVSlots) -> Shape:
    """The next larger shape of those that are recorded: few, as each takes half a second and memory."""
    most = 1 << (rows - 1).bit_length() if rows <= 8 else -(-rows // 8) * 8
    return min(most, slots.slots), min(-(-attended // ROUND) * ROUND, slots.room)
