"""Compares the prompt tokens that a server counts with our own count: a server that scales photos anew is found out.

Photos are sent as the checkpoint's processor would scale them. A server with other bounds scales them again, and the
model sees something else than provenance says.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

from tasks.engines.photos import Shown
from tasks.engines.preparing import Ready

_log = logging.getLogger(__name__)

_OTHER_TEMPLATE = 16
"""Tokens by which two chat templates may differ; a photo that is scaled anew changes by more."""


class TokenCounts:
    """The counts of one server. Threads may share it.

    Where our own count of a prompt is `exact`, each photo is judged by itself. Where it is an estimate, two photos are
    compared: what the server counts beside the photo must be the same for one prompt.
    """

    def __init__(self, url: str, exact: bool) -> None:
        self._url = url
        self._exact = exact
        self._lock = threading.Lock()
        self._beside: dict[tuple[str, str], int] = {}
        self._told: set[str] = set()

    def compared(self, ready: Ready, counted: int) -> Shown | None:
        """What was shown, marked as scaled by the server where its count says so; `counted` is 0 if it has none."""
        shown = ready.shown
        if not counted or shown is None:
            return shown
        beside = counted - shown.visual_tokens
        if self._exact:
            expected = ready.tokens - shown.visual_tokens
        else:
            with self._lock:
                expected = self._beside.setdefault((ready.request.system, ready.request.user), beside)
        difference = beside - expected
        if abs(difference) > _OTHER_TEMPLATE:
            self._tell(
                "scale",
                f"{self._url} counts {counted} prompt tokens where {counted - difference} were sent: it scales photos "
                f"anew, here of {shown.visual_tokens} visual tokens; start it with the checkpoint's own "
                "min_pixels and max_pixels, or lower model.max_pixels to its bound",
            )
            return replace(shown, scaled_by="server") if self._exact else shown
        if difference:
            self._tell(
                "template",
                f"{self._url} counts {counted} prompt tokens where {counted - difference} were sent: its chat template "
                "is another than the checkpoint's",
            )
        return shown

    def _tell(self, kind: str, line: str) -> None:
        with self._lock:
            if kind in self._told:
                return
            self._told.add(kind)
        _log.warning("%s", line)
