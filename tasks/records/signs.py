"""Signs that no answer of a model may hold, whatever was asked. Knows no grammar."""

from __future__ import annotations

import re

SPECIAL_TOKEN = re.compile(r"<\|[^|>]*\|>|</?(?:think|tool_call|tool_response|ref|box|quad)>")
"""A special token of Qwen's tokenizers, written out."""

LINE_END = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""What `str.splitlines` takes for the end of a line."""
