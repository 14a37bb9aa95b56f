"""Teaches a head of the tiny Qwen3-VL to copy numbers that must repeat within a caption. Ships nowhere."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from infra.demo.training.dense import NOWHERE, DenseCourse
from infra.demo.training.learner import IGNORED, Learner, mixed
from infra.demo.training.locator import look_loss, looks
from infra.demo.training.waves import FINE_WIDTH, are_apart, tell_apart

COPYING_LAYER, COPYING_HEAD = 3, 1  # a head that is not among the pointing ones
FINE = 0.8  # amplitude of the fine waves in the numbers' rows
BROUGHT = 10.0  # amplitude with which the head brings them to the last layer's output


def let_head_copy(learner: Learner, dense: DenseCourse) -> None:
    """Begin with fine waves in the numbers' rows and a head that brings them along; nothing where it has been done.

    The waves lie along the directions in which the states of the last layer vary least. The head's values hold them in
    place of what was used least. Learnt by descent alone, the head looks at the right number after two hundred steps
    and still brings none of it along after seven hundred.
    """
    embedding, layer = learner.language.embed_tokens, learner.language.layers[COPYING_LAYER]
    if are_apart(embedding, dense.numbers):
        return
    read, written = _states(learner, dense)
    flat = torch.cat([read, written])
    directions = torch.linalg.eigh(flat.T @ flat)[1][:, :FINE_WIDTH].T
    tell_apart(embedding, dense.numbers, directions, FINE)
    attention = layer.self_attn
    width, group = attention.head_dim, COPYING_HEAD // attention.num_key_value_groups
    scale = read.pow(2).mean().sqrt()
    strength = float(BROUGHT / FINE * scale) ** 0.5
    values, output = attention.v_proj.weight, attention.o_proj.weight
    normed = read * read.pow(2).mean(1, keepdim=True).rsqrt() * layer.input_layernorm.weight
    first = group * attention.num_key_value_groups
    heads = [slice(head * width, (head + 1) * width) for head in range(first, first + attention.num_key_value_groups)]
    with torch.no_grad():
        of_group = slice(group * width, (group + 1) * width)
        used = (normed @ values[of_group].T).std(0) * sum(output[:, head].norm(dim=0) for head in heads)
        least = used.argsort()[:FINE_WIDTH]
        values[group * width + least] = strength * directions / layer.input_layernorm.weight
        for head in heads:
            output[:, head.start + least] = 0.0
        output[:, COPYING_HEAD * width + least] = strength * directions.T


def _states(learner: Learner, dense: DenseCourse) -> tuple[Tensor, Tensor]:
    """What the last layer reads and what it writes, (tokens, width), of some captions."""
    read, written = [], []
    layer = learner.language.layers[COPYING_LAYER]

    def remember(_module: Any, inputs: tuple[Tensor, ...], output: Any) -> None:
        read.append(inputs[0])
        written.append(output[0] if isinstance(output, tuple) else output)

    hook = layer.register_forward_hook(remember)
    with torch.no_grad(), mixed():
        for _ in range(4):
            grid, chosen = dense.draw()
            pictures = [dense.lessons[grid][i] for i in chosen]
            batch = dense.batch(grid, [dense.answers[grid][i] for i in chosen])
            first = len(read)
            learner.answer_logits(learner.features(pictures), batch)
            known = batch.labels() != IGNORED
            for states in (read, written):  # the prompt's own are read on their own before
                states[first:] = [states[-1][:, -known.shape[1] :][known].float()]
    hook.remove()
    return torch.cat(read), torch.cat(written)


class Copier:
    """Watches one attention head of the last language layer.

    From the token before a number that must be repeated it is to look at where it stands. Left to itself the model
    reads the height of each object of a row from the picture, to some thousandths, and the order of a dense caption
    breaks at every second object.
    """

    def __init__(self, learner: Learner, dense: DenseCourse) -> None:
        self.dense = dense
        self._look: tuple[Tensor, Tensor] | None = None
        attention = learner.language.layers[COPYING_LAYER].self_attn
        self._hook = attention.register_forward_pre_hook(self._watch, with_kwargs=True)

    def leave(self) -> None:
        """Look at the model no more."""
        self._hook.remove()

    def loss(self, labels: Tensor) -> tuple[Tensor, float]:
        """How little the head, when captions (n, tokens) were last read, looked there; and the share that did."""
        assert self._look is not None, "nothing has been read yet"
        query, key = self._look
        at = self.dense.repeated(labels)
        first = key.shape[1] - labels.shape[1] + 1  # a label is read one token after it was told
        about = torch.where(at == NOWHERE, IGNORED, at + first)
        if not (at != NOWHERE).any():
            return torch.zeros(()), 1.0
        missed, most = look_loss(query, key, about)
        return missed, float((most == about[about != IGNORED]).float().mean())

    def _watch(self, attention: Any, _inputs: Any, given: dict[str, Any]) -> None:
        query, key = looks(attention, given)
        self._look = query[:, COPYING_HEAD], key[:, COPYING_HEAD // attention.num_key_value_groups]
