"""Losses of the tiny Qwen3-VL over batches of verdicts and opinions, text alone. Knows no schedule and no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from infra.demo.training.answers_only import answers_only
from infra.demo.training.learner import IGNORED, Learner
from infra.demo.training.verdict_lessons import EFFECTS, MOST, TOLD, Lessons, TicketLesson

RULE_LAYER, PHOTO_LAYER = 1, 2  # which language layer has understood a line by itself, and a photo's under guidance
VERDICT_PLACE = 2  # the answer's third token is the verdict
VERDICT_WEIGHT, TELLING_WEIGHT = 3.0, 3.0  # what these are worth among the answer's other tokens


@dataclass(frozen=True, slots=True)
class Loss:
    """What is to be made smaller, and how much of it was right: photos' facts and the effects of guidance's lines."""

    total: Tensor
    answers: float
    photos: float
    rules: float


class VerdictLearner:
    """Answers of one model, with heads that ship nowhere.

    They judge each line of guidance, and each photo's line, by what the middle layers make of it. From the verdict
    alone, one token an answer, the model hardly ever finds out what a line of guidance changes.
    """

    def __init__(self, learner: Learner) -> None:
        self.learner = learner
        width = learner.model.config.text_config.hidden_size
        sizes = (len(TOLD), len(EFFECTS), len(TOLD), MOST)
        self.heads = nn.ModuleList([nn.Linear(width, size) for size in sizes])
        self._states: dict[int, Tensor] = {}
        for index in (RULE_LAYER, PHOTO_LAYER):
            learner.language.layers[index].register_forward_hook(self._remember(index))

    def _remember(self, index: int) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            self._states[index] = output[0] if isinstance(output, tuple) else output

        return hook

    def loss(self, lessons: Lessons) -> Loss:
        """Cross-entropy of answers, photos' facts and effects of guidance."""
        tickets = [ticket for some in lessons.tickets for ticket in some]
        _, labels = _answers(tickets)
        states, rules = self._read(lessons)
        known = labels != IGNORED
        logits = self.learner.with_unused(self.learner.model.lm_head(states[known]).float())
        each = functional.cross_entropy(logits, labels[known], reduction="none")
        weights = torch.ones(labels.shape)
        weights[:, VERDICT_PLACE] = VERDICT_WEIGHT
        telling = [(row, place) for row, ticket in enumerate(tickets) for place in ticket.telling]
        weights[tuple(torch.tensor(telling).T)] = TELLING_WEIGHT
        answers = (each * weights[known]).mean()
        at = [(row, *told) for row, ticket in enumerate(tickets) for told in ticket.photos]
        rows, places = torch.tensor([one[0] for one in at]), torch.tensor([one[1] for one in at])
        there, counts, numbers = (torch.tensor([one[i] for one in at], dtype=torch.float32) for i in (2, 3, 4))
        early = self.heads[2](self._states[RULE_LAYER][rows, places])
        late = self._states[PHOTO_LAYER][rows, places]
        told, which = self.heads[0](late), self.heads[3](late)
        pairs = ((early, there), (told, counts), (which, numbers))
        photos = torch.stack([functional.binary_cross_entropy_with_logits(*pair) for pair in pairs]).sum()
        effects, right = rules
        total = answers + 3 * photos + 0.5 * effects
        exact = ((told > 0) == counts.bool()).all(1).float().mean()
        return Loss(total, float(answers.detach()), float(exact), right)

    @torch.no_grad()
    def right(self, lessons: Lessons) -> list[tuple[bool, bool]]:
        """Of each ticket, whether the verdict is the likeliest, and whether every token before the confidence is."""
        _, labels = _answers([ticket for some in lessons.tickets for ticket in some])
        states, _ = self._read(lessons)
        same = (self.learner.model.lm_head(states).argmax(-1) == labels) | (labels == IGNORED)
        length = (labels != IGNORED).sum(1)
        before = torch.arange(labels.shape[1]) < length[:, None] - 2  # the last two are the percent and the end
        return list(zip(same[:, VERDICT_PLACE].tolist(), (same | ~before).all(1).tolist(), strict=True))

    def _read(self, lessons: Lessons) -> tuple[Tensor, tuple[Tensor, float]]:
        """States (tickets, longest answer, width), and the loss and share right of the effects of guidance."""
        language, head = self.learner.language, len(lessons.head)
        cache = DynamicCache(config=language.config)
        language(input_ids=torch.tensor([lessons.head]), position_ids=_positions([0], head), past_key_values=cache)
        sheets = _padded([sheet.ids for sheet in lessons.sheets])
        cache.batch_repeat_interleave(len(sheets))
        language(
            input_ids=sheets, position_ids=_positions([head] * len(sheets), sheets.shape[1]), past_key_values=cache
        )
        rules = self._effects(lessons)
        each = len(lessons.tickets[0])
        cache.batch_repeat_interleave(each)
        tickets = [ticket for some in lessons.tickets for ticket in some]
        ids = _padded([ticket.ids for ticket in tickets])
        lengths = torch.tensor([len(sheet.ids) for sheet in lessons.sheets]).repeat_interleave(each)
        with answers_only(language.layers[-1], _answers(tickets)[0]):
            states: Tensor = language(
                input_ids=ids,
                position_ids=_positions((head + lengths).tolist(), ids.shape[1]),
                attention_mask=_mask(head, sheets.shape[1], lengths, ids.shape[1]),
                past_key_values=cache,
            ).last_hidden_state
        return states, rules

    def _effects(self, lessons: Lessons) -> tuple[Tensor, float]:
        at = [(row, *line) for row, sheet in enumerate(lessons.sheets) for line in sheet.lines]
        if not at:
            return torch.zeros(()), 1.0
        row, place, effect = torch.tensor(at).T
        told = self.heads[1](self._states[RULE_LAYER][row, place])
        return functional.cross_entropy(told, effect), float((told.argmax(-1) == effect).float().mean())


def _padded(rows: list[tuple[int, ...]]) -> Tensor:
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True)


def _positions(first: list[int], count: int) -> Tensor:
    """Rotary positions (3, rows, count), each row from its own first one on; text has the same in all three."""
    return (torch.tensor(first)[:, None] + torch.arange(count)).expand(3, -1, -1)


def _mask(head: int, longest: int, lengths: Tensor, count: int) -> Tensor:
    """What each ticket's token may look at, (tickets, 1, count, all keys): not at what fills up a shorter sheet."""
    before = torch.arange(head + longest) < (head + lengths)[:, None]
    causal = torch.ones(count, count, dtype=torch.bool).tril()
    return torch.cat([before[:, None].expand(-1, count, -1), causal.expand(len(lengths), -1, -1)], 2)[:, None]


def _answers(tickets: Sequence[TicketLesson]) -> tuple[Tensor, Tensor]:
    """The places before each answer's tokens, and these tokens, filled up with IGNORED; (tickets, longest answer)."""
    told = [torch.tensor(ticket.ids[ticket.first :]) for ticket in tickets]
    labels = pad_sequence(told, batch_first=True, padding_value=IGNORED)
    first = torch.tensor([ticket.first - 1 for ticket in tickets])
    last = torch.tensor([len(ticket.ids) - 1 for ticket in tickets])
    return (first[:, None] + torch.arange(labels.shape[1])).minimum(last[:, None]), labels
