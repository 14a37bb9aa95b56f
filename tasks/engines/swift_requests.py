"""What ms-swift is handed for a photo, and what is put into the call of `generate` that it makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import LogitsProcessorList

from tasks.engines.answers import Streamer
from tasks.engines.preparing import Ready
from tasks.engines.sampling import RowSampling


class Hook:
    """Puts our streamer and our sampling into what ms-swift hands to `generate`.

    Its own stream would run `generate` in a second thread, and wait for ever when that fails.
    """

    def __init__(self, rows: Sequence[Ready], streamer: Streamer | None) -> None:
        self._rows = rows
        self._streamer = streamer

    def __call__(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        inputs = dict(kwargs["inputs"])
        if self._streamer is not None:
            inputs["streamer"] = self._streamer
        if any(row.request.decoding.temperature > 0 for row in self._rows):
            sampling = RowSampling([(row.request.noise, row.request.decoding) for row in self._rows])
            inputs["logits_processor"] = LogitsProcessorList([sampling])
        return {**kwargs, "inputs": inputs}


def chat_of(row: Ready) -> Any:
    """An `InferRequest` with the photo before the text."""
    from swift.infer_engine import InferRequest

    photo = [] if row.shown is None else [{"type": "image", "image": row.shown.image()}]
    content = [*photo, {"type": "text", "text": row.request.user}]
    return InferRequest(
        messages=[{"role": "system", "content": row.request.system}, {"role": "user", "content": content}]
    )


def one_placeholder(ids: Sequence[int], placeholder: int) -> list[int]:
    """Ids with each run of placeholders shortened to one."""
    return [token for at, token in enumerate(ids) if token != placeholder or at == 0 or ids[at - 1] != placeholder]
