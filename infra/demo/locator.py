"""Heads that teach the tiny Qwen3-VL where things are, in which order, and what it is writing about. Ships nowhere."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from infra.demo.learner import IGNORED, Learner
from infra.demo.pictures import CLASSES, Picture, cell_labels, cells_in_order, places, turns, written

READING_LAYER = 1  # the language layer that is taught to know the order and to point
MOST_THINGS = 26  # more than any scene has, and one
LIFT = 5.0  # where the merger's activation function is a straight line
UNIT, MIDDLE = 100.0, 5.0  # thousandths in one unit of the numbers' heads, and their zero


def mark_positions(learner: Learner, pictures: list[Picture], strength: float = 0.7) -> None:
    """Add waves along both sides of the picture to the tower's position embedding, where the tower has nothing yet.

    A table that only learnt what is in a cell does not say which column and row a cell is in. The directions are those
    in which the tower's layers vary least over these pictures: hardly anything reads them, so hardly anything changes.
    """
    table = learner.vision.pos_embed.weight
    side, width = math.isqrt(table.shape[0]), table.shape[1]
    states: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        states.append((output[0] if isinstance(output, tuple) else output).float())

    hooks = [part.register_forward_hook(keep) for part in (learner.vision.patch_embed, *learner.vision.blocks)]
    with torch.no_grad():
        learner.features(pictures)
        spreads = [torch.cov(state.T) for state in states]
        quiet = torch.linalg.eigh(sum(spread / spread.trace() for spread in spreads))[1]
        angles = 2 * math.pi / side * torch.tensor([0.5, 1, 2, 4])[:, None] * torch.arange(side)
        waves = torch.cat([angles.cos(), angles.sin()])
        across, down = quiet[:, : 2 * len(waves)].T.split(len(waves))
        table += strength * ((waves.T @ down)[:, None] + (waves.T @ across)[None]).reshape(-1, width)
    for hook in hooks:
        hook.remove()


def pass_positions(learner: Learner, pictures: dict[tuple[int, int], list[Picture]]) -> None:
    """Let each cell's place reach the language model: the last merger's idlest units become waves along both sides.

    Fitted by ridge regression to what the merger receives from pictures of every grid, and added where its output
    varies least. Learning the same by gradient takes a thousand steps and tears the summaries' features apart.
    """
    merger = learner.vision.merger
    met: list[Tensor] = []
    outs, spots = [], []

    def keep(_module: nn.Module, given: Any, _output: Any) -> None:
        met.append(given[0].float())

    hooks = [part.register_forward_hook(keep) for part in (merger.linear_fc1, merger.linear_fc2)]
    with torch.no_grad():
        for (cols, rows), some in pictures.items():
            outs.append(learner.features(some)[0].flatten(0, 1).float())
            cell = torch.arange(cols * rows)
            spots.append(torch.stack([(cell % cols + 0.5) / cols, (cell // cols + 0.5) / rows], 1).repeat(len(some), 1))
        for hook in hooks:
            hook.remove()
        given, hidden, out, place = torch.cat(met[::2]), torch.cat(met[1::2]), torch.cat(outs), torch.cat(spots)
        angles = (2 * math.pi * torch.tensor([0.5, 1, 2, 4])[:, None, None] * place).transpose(0, 1).flatten(1)
        waves = torch.cat([angles.cos(), angles.sin()], 1).double()
        design = torch.cat([given, torch.ones(len(given), 1)], 1).double()
        ridge = 1e-4 * len(design) * design.var() * torch.eye(design.shape[1], dtype=torch.double)
        fitted = torch.linalg.solve(design.T @ design + ridge, design.T @ waves).float()
        weight = merger.linear_fc2.weight
        units = (hidden.var(0) * weight.square().sum(0)).argsort()[: waves.shape[1]]
        quiet = torch.linalg.eigh(torch.cov(out.T))[1][:, : len(units)] * out.std(0).mean()
        merger.linear_fc2.bias += weight[:, units] @ hidden.mean(0)[units] - LIFT * quiet.sum(1)
        merger.linear_fc1.weight[units], merger.linear_fc1.bias[units] = fitted[:-1].T, fitted[-1] + LIFT
        weight[:, units] = quiet


class Locator(nn.Module):  # type: ignore[misc]
    """The heads.

    On every layer that leaves the vision tower: what a cell shows, and its thing's box from the cell's corner in cells.
    On the first and last of them: the numbers that the caption writes. On the last: the thing's turn in it. On an early
    language layer: the turn again, and from each token of the answer which cell it is about.
    """

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        width, layers = learner.model.config.text_config.hidden_size, 1 + len(learner.vision.deepstack_merger_list)
        self.probes = nn.ModuleList(nn.Linear(width, CLASSES) for _ in range(layers))
        self.boxes = nn.ModuleList(nn.Linear(width, 4) for _ in range(layers))
        self.numbers = nn.ModuleList(nn.Linear(width, 4) for _ in range(2))
        self.seen_turn = nn.Linear(width, MOST_THINGS)
        self.read_turn, self.pointing, self.pointed = (nn.Linear(width, n) for n in (MOST_THINGS, 64, 64))
        self._read: Tensor | None = None
        learner.language.layers[READING_LAYER].register_forward_hook(self._remember)

    def seeing_loss(self, features: Tensor, pictures: list[Picture]) -> tuple[Tensor, tuple[float, ...]]:
        """How badly the features tell things and places.

        Also the mean errors of boxes, in cells, and of numbers, in thousandths, and the share of right turns; nothing
        where there are no things.
        """
        labels, where, numbers, turn = (
            torch.stack([torch.from_numpy(of(picture.scene)) for picture in pictures])
            for of in (cell_labels, places, written, turns)
        )
        loss, errors = torch.zeros(()), []
        known, things = ~where.isnan(), turn > 0
        for layer, probe, box in zip(features, self.probes, self.boxes, strict=True):
            loss = loss + functional.binary_cross_entropy_with_logits(probe(layer).float(), labels)
            if things.any():
                errors.append((box(layer).float()[known] - where[known]).abs().mean())
        if not things.any():
            return loss, ()
        for layer, head in zip((features[0], features[-1]), self.numbers, strict=True):
            errors.append((8 * head(layer[things]).float() - (numbers[things] / UNIT - MIDDLE)).abs().mean())
        turned = self.seen_turn(features[0][things]).float()
        loss = loss + sum(errors[:-2]) + 2.5 * sum(errors[-2:]) + 0.5 * functional.cross_entropy(turned, turn[things])
        right = (turned.argmax(-1) == turn[things]).float().mean()
        return loss, (float(errors[0].detach()), UNIT * float(errors[-2].detach()), float(right))

    def reading_loss(self, pictures: list[Picture], labels: Tensor, name: int) -> tuple[Tensor, float]:
        """How badly the language model, when it last read these, knew the order and what it was writing about.

        `name` is the token that begins every object's name. Also gives the share of tokens that point to their cell.
        """
        assert self._read is not None, "nothing has been read yet"
        turn = torch.stack([torch.from_numpy(turns(picture.scene)) for picture in pictures])
        at_cells, at_words = self._read[:, : turn.shape[1]], self._read[:, -labels.shape[1] :]
        loss = functional.cross_entropy(self.read_turn(at_cells).float().flatten(0, 1), turn.flatten())
        about = torch.full_like(labels, IGNORED)
        number = (labels == name).cumsum(1)
        for row, picture in enumerate(pictures):
            cells = torch.tensor([IGNORED, *cells_in_order(picture.scene)])
            about[row] = torch.where(labels[row] == IGNORED, IGNORED, cells[number[row]])
        pointed = (self.pointing(at_words) @ self.pointed(at_cells).transpose(1, 2)).float() / 8
        known = about != IGNORED
        if not known.any():
            return loss, 0.0
        right = (pointed.argmax(-1) == about)[known].float().mean()
        return loss + functional.cross_entropy(pointed[known], about[known]), float(right)

    def _remember(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        self._read = output[0] if isinstance(output, tuple) else output
