"""The kinds of question that a run can be of, for whoever does a piece of one: its settings, and how it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from configs.dense import DenseCaptionConfig
from configs.stage_a import StageAConfig
from configs.stage_b import StageBConfig
from configs.work import WorkConfig
from tasks.checkpoints.resolve import Checkpoint
from tasks.dense.kind import Captions, captions_of
from tasks.summaries.kind import Summaries, summaries_of
from tasks.verdicts.kind import Candidates, candidates_of
from tasks.verdicts.opinions import Opinions, opinions_of
from tasks.verdicts.scoring import VerdictScores, scores_of
from tasks.work.kind import Kind

KINDS: dict[str, tuple[type[WorkConfig], Callable[[Any, Checkpoint], Kind]]] = {
    Summaries.name: (StageAConfig, summaries_of),
    Captions.name: (DenseCaptionConfig, captions_of),
    Candidates.name: (StageBConfig, candidates_of),
    VerdictScores.name: (StageBConfig, scores_of),
    Opinions.name: (StageBConfig, opinions_of),
}
"""Of each kind by its name: the settings of its runs, and what makes its questions of them and of a checkpoint."""
