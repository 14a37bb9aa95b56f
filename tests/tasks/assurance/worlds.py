"""Made-up missions whose truth is known: groups with the judge's score for 通过, and whether they deserve it.

What a judge sees of a group is one normal number, d' apart between good and bad ones: AUROC = Phi(d' / sqrt 2). It
proposes 通过 where that is more likely than not by its own account, which may be surer than it should be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import expit, ndtri


@dataclass(frozen=True)
class World:
    """Groups for which the judge proposes 通过: score and whether that is wrong; and all groups, with the others."""

    scores: NDArray[np.float64]
    wrong: NDArray[np.bool_]
    groups: int

    def risk(self, threshold: float) -> float:
        """R(t): the share that is wrong of those with a score >= t."""
        return float(self.wrong[self.scores >= threshold].mean())

    def share(self, threshold: float) -> float:
        """How many of these proposals have a score >= t."""
        return float((self.scores >= threshold).mean())


def make_world(seed: int, auroc: float, groups: int = 5000, bad: float = 0.2, too_sure: float = 1.0) -> World:
    """A mission of so many groups, a share `bad` of which deserves 不通过."""
    rng = np.random.default_rng(seed)
    apart = float(ndtri(auroc) * np.sqrt(2))
    truth_bad = rng.random(groups) < bad
    seen = rng.normal(size=groups) + np.where(truth_bad, 0.0, apart)
    logit = apart * (seen - apart / 2) + np.log((1 - bad) / bad)
    score = expit(too_sure * logit)
    proposed = score > 0.5
    return World(score[proposed], truth_bad[proposed], groups)


def unlabelled(world: World, seed: int = 0, groups: int = 1500) -> NDArray[np.float64]:
    """Scores of some of the proposals, whose labels nobody asks for."""
    return np.random.default_rng(seed).choice(world.scores, groups)


def drawn(world: World, rng: Generator, draws: int, labels: int) -> NDArray[np.int64]:
    """The places of labels, (draws, labels), each draw without the same group twice."""
    return rng.permuted(np.tile(np.arange(world.scores.size), (draws, 1)), axis=1)[:, :labels]


GOOD = make_world(1, auroc=0.98)
MIDDLING = make_world(3, auroc=0.9, bad=0.3)
WEAK = make_world(2, auroc=0.75, too_sure=3.0)
