"""One object from a request to its result: what the default engine queues, batches, decodes and hands back.

    WAITING ---- enters the batch ----> RUNNING ---- end token, stop string or limit ----> FINISHED
       ^                                   |
       +------ the batch did not fit ------+

A request that is scored is never one: it has no batch, and no step.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from tasks.engines.answers import StopStrings
from tasks.engines.prompting import PromptIds
from tasks.engines.protocol import FinishReason, Request
from tasks.engines.sampling import noise_of

if TYPE_CHECKING:
    from collections.abc import Set

    import torch

    from tasks.engines.photos import Patches, Shown


class Status(Enum):
    """Where a sequence is."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"


@dataclass(slots=True, eq=False)
class Sequence:
    """A request that is ready for the device, the tokens of its answer so far, and how the answer ended.

    `shown` and `patches` are of its photo, if it has one. `asked_again` tells that a request with the same question is
    to come: what was read of the question is kept for it.
    """

    request: Request
    prompt: PromptIds
    shown: Shown | None = None
    patches: Patches | None = None
    stops: StopStrings | None = None
    asked_again: bool = False
    status: Status = Status.WAITING
    output: list[int] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    noise: torch.Generator | None = None

    @property
    def visual_tokens(self) -> int:
        """Visual tokens of its photo."""
        return 0 if self.shown is None else self.shown.visual_tokens

    @property
    def tokens(self) -> int:
        """Tokens that are read before the answer: prompt and photo."""
        return len(self.prompt) + self.visual_tokens

    @property
    def most(self) -> int:
        """Tokens that its answer has at most."""
        return self.request.decoding.max_new_tokens

    @property
    def question(self) -> Hashable:
        """The same for requests that ask the same of the same photo: what one of them read is good for all."""
        return self.prompt, self.request.read

    @property
    def is_finished(self) -> bool:
        """Whether its answer is whole."""
        return self.status is Status.FINISHED

    @property
    def is_sampled(self) -> bool:
        """Whether its next token is drawn, and not the likeliest."""
        return self.status is Status.RUNNING and self.noise is not None

    def enter(self) -> None:
        """It is given a slot. Its noise begins anew, so that a second start draws the same tokens."""
        self.status = Status.RUNNING
        decoding = self.request.decoding
        self.noise = noise_of(self.request.noise, decoding) if decoding.temperature > 0 else None

    def restart(self) -> None:
        """It lost its slot: everything that was written is forgotten."""
        self.status, self.noise, self.finish_reason = Status.WAITING, None, None
        self.output.clear()

    def append(self, token: int, ends: Set[int]) -> bool:
        """The next token of its answer. Whether it was the last. `ends` are the tokens that end one, and part of it."""
        self.output.append(token)
        if token in ends or (self.stops is not None and self.stops.found(self.output)):
            self.finish("stop")
        elif len(self.output) >= self.most:
            self.finish("length")
        return self.is_finished

    def finish(self, reason: FinishReason) -> None:
        """No more tokens."""
        self.status, self.finish_reason = Status.FINISHED, reason
