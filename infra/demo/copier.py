"""Teaches a head of the tiny Qwen3-VL to copy a row's height from object to object. Ships nowhere."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from infra.demo.dense import NOWHERE, DenseCourse
from infra.demo.learner import IGNORED, Learner
from infra.demo.locator import look_loss, looks

COPYING_LAYER, COPYING_HEAD = 3, 1  # a head that is not among the pointing ones


class Copier:
    """Watches one attention head of the last language layer.

    From the token before an object's height it is to look at the height of the object before, if both are in one row.
    Left to itself the model reads each height from the picture, to some thousandths, and the order of a dense caption
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
