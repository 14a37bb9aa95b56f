"""Heads that teach the tiny Qwen3-VL what is where, in which order, and what it is writing about. Ships nowhere."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.qwen3_vl.modeling_qwen3_vl import apply_rotary_pos_emb

from infra.demo.training.learner import IGNORED, Learner
from infra.demo.training.pictures import CLASSES, Picture, cell_labels, cells_in_order, places, told, turns, written
from infra.demo.training.waves import NumbersHead, waves

READING_LAYER = 1  # the language layer that is taught to know the order
POINTING_LAYERS = (2, 3)  # those of which some heads are taught to look at the object that is being written
MOST_THINGS = 26  # more than any scene has, and one
UNIT, MIDDLE = 100.0, 5.0  # thousandths in one unit of the numbers' heads, and their zero

COPIED = 400  # pictures of each grid from which the heads' values are worked out

Sight = dict[str, float]


def mark_positions(learner: Learner, strength: float = 0.7) -> None:
    """Begin with waves along both sides of the picture in the vision tower's position embedding.

    From a random table the tower learns what is in a cell long before it learns which column and row the cell is in.
    """
    table = learner.vision.pos_embed.weight
    side, width = math.isqrt(table.shape[0]), table.shape[1]
    angles = 2 * math.pi / side * torch.tensor([0.5, 1, 2, 4])[:, None] * torch.arange(side)
    waves = torch.cat([angles.cos(), angles.sin()])
    directions = torch.linalg.qr(torch.randn(width, 2 * len(waves)))[0].T
    across, down = directions.split(len(waves))
    with torch.no_grad():
        table += strength * ((waves.T @ down)[:, None] + (waves.T @ across)[None]).reshape(-1, width)


def let_heads_copy(
    learner: Learner, seen: dict[tuple[int, int], Tensor], lessons: dict[tuple[int, int], list[Picture]]
) -> None:
    """Begin with pointing heads that bring along, unchanged, what a cell's features say of its thing and numbers.

    A reduced-rank regression of kinds and numbers, as waves, on what these heads will read gives the directions that
    their values hold: as many as the heads of keys and values have numbers together. Learnt by descent alone this comes
    last of all, long after the heads look at the right cells.
    """
    states, targets = [], []
    for grid, pictures in lessons.items():
        some = pictures[:COPIED]
        numbers, shown = told(written, some), told(cell_labels, some)
        things = ~numbers[..., 0].isnan()
        states.append(seen[grid][:, : len(some)].float().sum(0)[things])
        targets.append(torch.cat([waves(numbers[things]).flatten(1), shown[things]], 1))
    states, targets = torch.cat(states), torch.cat(targets)
    states = states * states.pow(2).mean(1, keepdim=True).rsqrt()
    targets = targets - targets.mean(0)
    centred = states - states.mean(0)
    gram = centred.T @ centred
    ridge = 1e-3 * gram.diagonal().mean() * torch.eye(len(gram))
    weights = torch.linalg.solve(gram + ridge, centred.T @ targets)
    with torch.no_grad():
        for layer in POINTING_LAYERS:
            attention = learner.language.layers[layer].self_attn
            values, width = attention.v_proj, attention.head_dim
            main = torch.linalg.svd(centred @ weights, full_matrices=False)[2][: values.out_features]
            directions = torch.linalg.qr(weights @ main.T)[0].T
            values.weight.copy_(directions)
            for key in range(len(directions) // width):
                head = key * attention.num_key_value_groups * width
                attention.o_proj.weight[:, head : head + width] = 0.5 * directions[key * width : (key + 1) * width].T


class Locator(nn.Module):  # type: ignore[misc]
    """The heads.

    On every layer that leaves the vision tower: what a cell shows, and its thing's box from the cell's corner in cells.
    On the first and last of them: the numbers that the caption writes, as numbers and as waves. On an early language
    layer: the thing's turn in the caption. And some attention heads of each late language layer, which need no
    weights of their own: from each token of the answer they are to look at the cell that the token is about. From each
    token, after the first of these layers: that cell's thing and its numbers.
    """

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        width, leaving = learner.model.config.text_config.hidden_size, 1 + len(learner.vision.deepstack_merger_list)
        self.probes = nn.ModuleList(nn.Linear(width, CLASSES) for _ in range(leaving))
        self.boxes = nn.ModuleList(nn.Linear(width, 4) for _ in range(leaving))
        self.numbers = nn.ModuleList(nn.Linear(width, 4) for _ in range(2))
        self.waves = nn.ModuleList(NumbersHead(width) for _ in range(2))
        self.turn = nn.Linear(width, MOST_THINGS)
        self.carried = nn.ModuleList([nn.Linear(width, CLASSES), NumbersHead(width)])
        self._read: Tensor | None = None
        self._carried: Tensor | None = None
        self._looks: list[tuple[Tensor, Tensor]] = []
        layers = learner.language.layers
        self._hooks = [
            layers[READING_LAYER].register_forward_hook(self._remember),
            layers[POINTING_LAYERS[0]].register_forward_hook(self._remember_carried),
        ]
        for layer in POINTING_LAYERS:
            attention = layers[layer].self_attn
            self._hooks.append(attention.register_forward_pre_hook(self._watch, with_kwargs=True))

    def leave(self) -> None:
        """Look at the model no more, which takes time; what was learnt stays."""
        for hook in self._hooks:
            hook.remove()

    def seeing_loss(self, features: Tensor, pictures: list[Picture]) -> tuple[Tensor, Sight]:
        """How badly the features tell things and places, and figures of it.

        The figures: the share of pictures whose things are all right, the mean errors of boxes in cells and of numbers
        in thousandths, the share of numbers that the waves tell. Only the first where there are no things.
        """
        labels, where, numbers = (told(of, pictures) for of in (cell_labels, places, written))
        known, things = ~where.isnan(), ~numbers[..., 0].isnan()
        shown = [probe(layer).float() for probe, layer in zip(self.probes, features, strict=True)]
        loss = sum(
            (functional.binary_cross_entropy_with_logits(logits, labels) for logits in shown), start=torch.zeros(())
        )
        sight = {"exact": float(((shown[0] > 0) == labels.bool()).flatten(1).all(1).float().mean())}
        if not things.any():
            return loss, sight
        boxes = [
            (box(layer).float()[known] - where[known]).abs().mean()
            for box, layer in zip(self.boxes, features, strict=True)
        ]
        target = numbers[things]
        errors, crosses, rights = [], [], []
        for layer, head, tell in zip((features[0], features[-1]), self.numbers, self.waves, strict=True):
            errors.append((8 * head(layer[things]).float() - (target / UNIT - MIDDLE)).abs().mean())
            cross, right = tell(layer[things], target)
            crosses.append(cross)
            rights.append(right)
        loss = 4 * loss + 0.5 * sum(boxes) + sum(errors) + 0.6 * crosses[0] + 0.2 * crosses[1]
        return loss, sight | {
            "box": float(boxes[0].detach()),
            "number": UNIT * float(errors[0].detach()),
            "told": rights[0],
        }

    def ordering_loss(self, pictures: list[Picture]) -> tuple[Tensor, float]:
        """How badly the language model, when it last read these, knew the order; also the share of right turns."""
        assert self._read is not None, "nothing has been read yet"
        turn = told(turns, pictures)
        read = self.turn(self._read[:, : turn.shape[1]]).float()
        right = (read.argmax(-1) == turn)[turn > 0].float()
        return functional.cross_entropy(read.flatten(0, 1), turn.flatten()), float(right.mean()) if len(right) else 1.0

    def telling_loss(self, labels: Tensor, starts: Tensor) -> tuple[Tensor, float]:
        """How badly the early layer tells from each token of the answer how many objects have been begun.

        By the same head as `ordering_loss`: token and cell are to have the number in common.
        """
        assert self._read is not None, "nothing has been read yet"
        number = torch.isin(labels, starts).cumsum(1)
        known = (labels != IGNORED) & (number > 0)
        if not known.any():
            return torch.zeros(()), 1.0
        found = self.turn(self._read[:, -labels.shape[1] :][known]).float()
        right = (found.argmax(-1) == number[known]).float().mean()
        return functional.cross_entropy(found, number[known]), float(right)

    def pointing_loss(self, pictures: list[Picture], labels: Tensor, starts: Tensor) -> tuple[Tensor, float]:
        """How little the pointing heads, when these were last read, looked at the cell of what was being written.

        `starts` are the tokens that begin an object. Also gives the share of tokens from which the last head
        looks at the right cell most.
        """
        about = _cells_about(pictures, labels, starts)
        known = about != IGNORED
        loss, right = torch.zeros(()), 0.0
        if not known.any():
            return loss, right
        for query, key in self._looks:
            missed, most = look_loss(query, key, about)
            loss, right = loss + missed, float((most == about[known]).float().mean())
        return loss, right

    def carrying_loss(self, pictures: list[Picture], labels: Tensor, starts: Tensor) -> tuple[Tensor, float]:
        """How little of the thing's kind and numbers the first pointing layer brings to each token of the answer.

        Also gives the share of numbers told to within 25. Without this the model looks at the right cell for a
        thousand steps before it learns to take the numbers from there.
        """
        assert self._carried is not None, "nothing has been read yet"
        about = _cells_about(pictures, labels, starts)
        known = about != IGNORED
        if not known.any():
            return torch.zeros(()), 1.0
        numbers, shown = told(written, pictures), told(cell_labels, pictures)
        rows = torch.arange(len(pictures))[:, None].expand_as(about)[known]
        states = self._carried[:, -labels.shape[1] :][known]
        kind, tell = self.carried
        loss, right = tell(states, numbers[rows, about[known]])
        kinds = shown[rows, about[known]].argmax(-1)
        return loss + functional.cross_entropy(kind(states).float(), kinds), right

    def _remember_carried(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        self._carried = output[0] if isinstance(output, tuple) else output

    def _remember(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        self._read = output[0] if isinstance(output, tuple) else output
        self._looks = []

    def _watch(self, attention: Any, _inputs: Any, given: dict[str, Any]) -> None:
        """Keep the scaled queries and the keys of the pointing heads, (n, heads, tokens, width), as they will be used.

        One head for each head of keys and values: the values of one alone are too few numbers for all that is written
        about a thing.
        """
        query, key = looks(attention, given)
        query = query[:, :: attention.num_key_value_groups]
        self._looks += [(query[:, head], key[:, head]) for head in range(key.shape[1])]


def looks(attention: Any, given: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Scaled queries and keys, (n, heads, tokens, width), as the layer will use them that is `given` these."""
    hidden, (cos, sin) = given["hidden_states"], given["position_embeddings"]
    shape = (*hidden.shape[:2], -1, attention.head_dim)
    query = functional.linear(hidden, attention.q_proj.weight).view(shape)
    key = functional.linear(hidden, attention.k_proj.weight).view(shape)
    query, key = attention.q_norm(query).transpose(1, 2), attention.k_norm(key).transpose(1, 2)
    query, key = apply_rotary_pos_emb(query, key, cos, sin)
    return attention.scaling * query, key


def look_loss(query: Tensor, key: Tensor, about: Tensor) -> tuple[Tensor, Tensor]:
    """How little queries (n, tokens, width) of the last tokens look at the keys (n, all, width) that they should.

    `about` (n, tokens) says where, IGNORED where it does not matter. Also gives where each that matters looks most.
    """
    tokens, known = about.shape[1], about != IGNORED
    seen = query[:, -tokens:].float() @ key.float().transpose(1, 2)
    later = torch.ones(seen.shape[1:], dtype=torch.bool).triu(seen.shape[2] - tokens + 1)
    seen = seen.masked_fill(later, -math.inf)[known]
    return functional.cross_entropy(seen, about[known]), seen.argmax(-1)


def _cells_about(pictures: list[Picture], labels: Tensor, starts: Tensor) -> Tensor:
    """The cell of the thing that each token of the answers is about, IGNORED where there is none."""
    about = torch.full_like(labels, IGNORED)
    number = torch.isin(labels, starts).cumsum(1)
    for row, picture in enumerate(pictures):
        cells = torch.tensor([IGNORED, *cells_in_order(picture.scene)])
        about[row] = torch.where(labels[row] == IGNORED, IGNORED, cells[number[row]])
    return about
