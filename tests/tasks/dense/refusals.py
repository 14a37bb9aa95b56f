"""What is wrong with a text, for tests. Knows no rule."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.dense.parse import parse_caption
from tasks.records.errors import CaptionInvalid


def violations(text: str, finish_reason: Any = "stop") -> tuple[str, ...]:
    """What is wrong with a text."""
    with pytest.raises(CaptionInvalid) as caught:
        parse_caption(text, finish_reason)
    return caught.value.violations
