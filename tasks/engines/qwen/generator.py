"""Answers to sequences that begin with the same tokens: photos are seen, prompts read, tokens written one by one.

Answers differ in length: a sequence that has finished leaves the batch, and the next one takes its place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Set
from contextlib import contextmanager
from functools import lru_cache, partial
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from tasks.engines.photos import Patches
from tasks.engines.prompting import PromptIds
from tasks.engines.qwen.decode_steps import DecodeSteps
from tasks.engines.qwen.kv_slots import KV, KVSlots, Question, attend_after, read_shared
from tasks.engines.qwen.language import Language
from tasks.engines.qwen.output_layer import OutputLayer
from tasks.engines.qwen.rotary import Cells, next_position, positions_of
from tasks.engines.qwen.vision import Normalisation, VisionTower
from tasks.engines.sampling import draw
from tasks.engines.sequence import Sequence

LEAVING = 0.25
"""Share of a batch's rows that must have finished before they leave it: leaving moves the keys and values of others."""

_PREFILL = 8192
"""Tokens that are read at once: enough for any device to be busy, and little memory."""

_SHARED = 4
"""Shared beginnings whose keys and values are kept: a mission's own, those of its retries, one more."""

GivenAnswer = tuple[PromptIds, tuple[int, ...]]
"""A prompt, and the tokens of an answer to it."""

OnToken = Callable[[int], None]
"""Is told each token of an answer as it comes."""

Source = Callable[[int], list[Sequence]]
"""Given how many sequences are running: those that enter now. None end a run in which none is running."""


class PendingTokens:
    """Tokens on their way from the device: of which sequences, and what they are."""

    def __init__(self, sequences: Iterable[Sequence], tokens: Tensor) -> None:
        self._sequences = list(sequences)
        self._arrived: torch.cuda.Event | None = None
        if tokens.is_cuda:
            self._tokens = torch.empty(tokens.shape, dtype=tokens.dtype, pin_memory=True)
            self._tokens.copy_(tokens, non_blocking=True)
            self._arrived = torch.cuda.Event()
            self._arrived.record(torch.cuda.current_stream(tokens.device))
        else:
            self._tokens = tokens

    def each(self) -> Iterator[tuple[Sequence, int]]:
        """Sequence and token, once they are there."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return zip(self._sequences, self._tokens.tolist(), strict=True)


class Generator:
    """One loaded model. `ends` are the tokens that end an answer; they are part of it.

    Runs are one after the other. Memory that one has taken is kept for the next with the same shared beginning.
    """

    def __init__(self, model: Any, normalisation: Normalisation, ends: Set[int]) -> None:
        self.model = model
        self.language = Language(model.model.language_model)
        self._tower = VisionTower(model.model.visual, normalisation)
        self._merge: int = model.model.visual.spatial_merge_size
        # Not of a method, which would hold the generator: its memory must be free as soon as it is dropped.
        self._read_shared = lru_cache(maxsize=_SHARED)(partial(read_shared, self.language))
        self._output_layer = OutputLayer(model.lm_head)
        self._ends = ends
        self._steps: DecodeSteps | None = None
        self._questions: dict[Hashable, Question] = {}
        is_asynchronous = self.language.device.type == "cuda"
        # bitsandbytes asks the device for numbers in the middle of a layer, which no recording can have.
        self._record = is_asynchronous and not getattr(model, "is_quantized", False)
        # Such a device is given the next step before the tokens of the last are looked at.
        self.lag = 1 if is_asynchronous else 0

    def answer(self, sequences: Iterable[Sequence]) -> list[Sequence]:
        """The same sequences, finished, as one batch; all must have the same shared beginning."""
        waiting = list(sequences)
        found = list(waiting)

        def source(_: int) -> list[Sequence]:
            entering = waiting.copy()
            waiting.clear()
            return entering

        for _ in self.run(found[0].prompt.shared, source) if found else ():
            pass
        return found

    @torch.inference_mode()
    def run(self, shared: tuple[int, ...], source: Source, on_token: OnToken | None = None) -> Iterator[Sequence]:
        """The sequences that `source` gives, as they finish. Their prompts must begin with `shared`."""
        rows: list[Sequence] = []  # the sequence that each slot is of
        running = 0
        pending: deque[PendingTokens] = deque()
        with self._slots(shared) as steps:
            while True:
                entering = source(running)
                if entering:
                    rows = _compact(steps.slots, rows)
                    entered, tokens = self._read(steps.slots, entering)
                    rows += entered
                    running += len(entered)
                    pending.append(PendingTokens(entered, tokens))
                elif not running:
                    return
                if self.lag or not entering:
                    pending.append(PendingTokens(rows, self._step(steps, rows)))
                while len(pending) > self.lag:
                    for sequence, token in pending.popleft().each():
                        if sequence.is_finished:
                            continue
                        was_last = sequence.append(token, self._ends)
                        if on_token is not None:
                            on_token(token)
                        if was_last:
                            running -= 1
                            yield sequence
                if running and running <= (1 - LEAVING) * len(rows):
                    rows = _compact(steps.slots, rows)

    @torch.inference_mode()
    def score(self, answers: list[GivenAnswer], patches: Patches | None = None) -> list[float]:
        """How likely each of these answers is: the sum of its tokens' natural log-probabilities.

        They are answers to one question, about the photo of these patches if there is one, and are read in one pass by
        themselves. In a batch the last digits of a sum depend on how many rows there are: a score would hang on who
        else was asked, and on where a killed run went on.
        """
        cells, device = self._grid(patches), self.language.device
        shared = self._read_shared(answers[0][0].shared)
        texts = [[*prompt.own, *given[:-1]] for prompt, given in answers]  # nothing follows the last one
        longest = max(map(len, texts))
        embeds, deep = self.language.embed(_padded(texts, longest, device)), ()
        if patches is not None:
            features = torch.stack(self._tower([patches]), 1).expand(-1, len(texts), -1, -1)
            embeds, deep = torch.cat([features[0], embeds], 1), tuple(features[1:])
        positions = positions_of(shared[0][0].shape[2], cells, longest).to(device)[:, None].expand(-1, len(texts), -1)
        counts = [len(given) for _, given in answers]
        before = cells[0] * cells[1] - 1
        places = [before + len(prompt.own) + place for prompt, given in answers for place in range(len(given))]
        rows = torch.arange(len(texts)).repeat_interleave(torch.tensor(counts)).to(device)
        at = torch.tensor(places, device=device)
        states = self.language(embeds, positions, attend_after(shared), deep, lambda states: states[rows, at])
        tokens = torch.tensor([token for _, given in answers for token in given], device=device)
        return [float(part.sum()) for part in self._output_layer.log_probs(states, tokens).split(counts)]

    @contextmanager
    def _slots(self, shared: tuple[int, ...]) -> Iterator[DecodeSteps]:
        """Steps of empty slots after this beginning. What a run that was broken off had taken is given back."""
        steps, self._steps = self._steps, None
        self._questions.clear()
        begun: list[KV] = self._read_shared(shared)
        if steps is None or steps.slots.shared is not begun:
            steps = None  # its memory, before more is taken
            steps = DecodeSteps(self.language, self._output_layer, KVSlots(begun), record=self._record)
        steps.slots.compact([])
        yield steps
        self._steps = steps

    def _read(self, slots: KVSlots, entering: list[Sequence]) -> tuple[list[Sequence], Tensor]:
        """Give each a slot, and read each question once: the sequences in the order of their slots, and the first
        tokens of their answers."""
        slots.reserve(slots.rows + len(entering), max(one.tokens + one.most + self.lag for one in entering))
        askers: dict[Hashable, list[Sequence]] = {}
        for one in entering:
            one.enter()
            askers.setdefault(one.question, []).append(one)
        first_askers = [some[0] for key, some in askers.items() if key not in self._questions]
        entered: list[Sequence] = []
        states: list[Tensor] = []
        questions = dict(self._questions)
        for batch in self._prefill_batches(first_askers):
            first = slots.rows
            found = self._prefill(slots, batch)
            for row, one in enumerate(batch):
                tokens = one.tokens - slots.before
                questions[one.question] = slots.question(first + row, tokens, found[row], self._next_position(one))
            entered += batch
            states.append(found)
        read = set(map(id, entered))
        for key, some in askers.items():
            if others := [one for one in some if id(one) not in read]:
                slots.load(questions[key], [one.most + self.lag for one in others])
                entered += others
                states.append(questions[key].state.expand(len(others), -1))
            self._keep(key, questions[key], any(one.asked_again for one in some[-1:]))
        tokens = self._choose(torch.cat(states), entered)
        slots.tokens[slots.rows - len(entered) : slots.rows] = tokens
        return entered, tokens

    def _keep(self, key: Hashable, question: Question, asked_again: bool) -> None:
        """Keep what was read for who asks the same later, or drop what was kept."""
        if not asked_again:
            self._questions.pop(key, None)
        elif key not in self._questions:
            kv = [(keys.clone(), values.clone()) for keys, values in question.kv]
            self._questions[key] = Question(kv, question.state.clone(), question.position)

    def _prefill_batches(self, sequences: list[Sequence]) -> Iterator[list[Sequence]]:
        """Sequences that are read at once: of photos of one size, or of texts of about one length."""
        ordered = sorted(sequences, key=lambda one: (self._cells(one), len(one.prompt.own)))
        for cells, same in groupby(ordered, key=self._cells):
            some = list(same)
            while some:
                each = cells[0] * cells[1] or len(some[-1].prompt.own)
                at_once = max(1, _PREFILL // each)
                yield some[-at_once:]
                del some[-at_once:]

    def _prefill(self, slots: KVSlots, batch: list[Sequence]) -> Tensor:
        """States [rows, width] that the first tokens of the answers follow. Shorter texts are padded behind."""
        cells, device = self._cells(batch[0]), self.language.device
        lengths = [len(one.prompt.own) for one in batch]
        longest = max(lengths)
        embeds, deep = self.language.embed(_padded([one.prompt.own for one in batch], longest, device)), ()
        if cells[0]:
            features = torch.stack(self._tower([one.patches for one in batch if one.patches]), 1)
            embeds, deep = torch.cat([features[0], embeds], 1), tuple(features[1:])
        positions = positions_of(slots.before, cells, longest).to(device)[:, None].expand(-1, len(batch), -1)
        attend = slots.allocate(
            [one.tokens - slots.before for one in batch],
            [one.most + self.lag for one in batch],
            [self._next_position(one) for one in batch],
        )
        if min(lengths) == longest:
            return self.language(embeds, positions, attend, deep)
        ends = torch.tensor(lengths, device=device) + cells[0] * cells[1] - 1
        return self.language(embeds, positions, attend, deep, lambda states: states[torch.arange(len(batch)), ends])

    def _step(self, steps: DecodeSteps, rows: list[Sequence]) -> Tensor:
        """The next token of each row."""
        draws = any(one.is_sampled for one in rows)
        output = steps(choose=not draws)
        if output.tokens is not None and not draws:
            return output.tokens
        tokens = self._choose(output.states, rows, output.tokens)
        steps.slots.tokens[: len(rows)] = tokens
        return tokens

    def _choose(self, states: Tensor, rows: list[Sequence], likeliest: Tensor | None = None) -> Tensor:
        """The next token after each state: the likeliest, which may be known, or one that is drawn."""
        drawn = [place for place, one in enumerate(rows) if one.is_sampled]
        if not drawn:
            return self._output_layer.likeliest(states) if likeliest is None else likeliest
        tokens = torch.empty(len(rows), dtype=torch.int64, device=states.device) if likeliest is None else likeliest
        if likeliest is None and (greedy := [place for place, one in enumerate(rows) if not one.is_sampled]):
            tokens[greedy] = self._output_layer.likeliest(states[greedy])
        logits = self._output_layer.logits(states[drawn])
        tokens[drawn] = torch.stack(
            [
                draw(row, rows[place].request.decoding, rows[place].noise)  # type: ignore[arg-type]
                for place, row in zip(drawn, logits, strict=True)
            ]
        )
        return tokens

    def _cells(self, one: Sequence) -> Cells:
        return self._grid(one.patches)

    def _grid(self, patches: Patches | None) -> Cells:
        if patches is None:
            return 0, 0
        rows, columns = patches.grid
        return rows // self._merge, columns // self._merge

    def _next_position(self, one: Sequence) -> int:
        return next_position(len(one.prompt.shared), self._cells(one), len(one.prompt.own))


def _padded(texts: Iterable[Collection[int]], longest: int, device: torch.device) -> Tensor:
    """Ids of texts, padded behind to so many."""
    return torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids in texts], device=device)


def _compact(slots: KVSlots, rows: list[Sequence]) -> list[Sequence]:
    """Drop the rows that have finished."""
    order = slots.compact([place for place, one in enumerate(rows) if not one.is_finished])
    return [rows[place] for place in order]
