"""Whose fault an error of a server is: this request's, the server's just now, or the server's whatever it is asked.

Status and error code decide, never the words. Codes are those of OpenAI, Azure, vLLM, SGLang, DashScope, Ark and Zhipu;
one that is not known leaves it to the status.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

_BUSY = {408, 409, 425, 429, 503, 529}
"""The server cannot answer now, whatever it is asked."""

_SERVERS = {401, 402, 403, 404, 405, 407, 410, 501, 505}
"""Key, account, address, model or method: the next request will meet the same."""

_OF_CONTENT = {
    "contentfilter",
    "contentpolicyviolation",
    "datainspectionfailed",
    "inputimagesensitivecontentdetected",
    "inputtextsensitivecontentdetected",
    "moderationblocked",
    "outputtextsensitivecontentdetected",
    "responsibleaipolicyviolation",
    "sensitivecontentdetected",
    "1301",  # Zhipu
}
_OF_SERVER = {
    "accessdenied",
    "accountdeactivated",
    "arrearage",
    "billinghardlimitreached",
    "billingnotactive",
    "insufficientquota",
    "invalidapikey",
    "modelnotfound",
    "modelnotopen",
    "modelnotexist",
    "notfounderror",  # vLLM: no such model
}
_SHOWN_CODE = re.compile(r"[\w.-]{1,64}", re.ASCII)
_LAST_STATUS = 599


class Blame(Enum):
    """Whose fault an error is, and so what to do."""

    BUSY = auto()
    """The server's, for the time being: wait, and ask again."""
    FAILED = auto()
    """The server's, or this request's: ask again, and compare with another request if it lasts."""
    CONTENT = auto()
    """This request's: the server's content filter refuses it."""
    REQUEST = auto()
    """This request's, as long as others are answered."""
    SERVER = auto()
    """The server's, for every request: end."""


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """What an error's body says in fields: codes and types as they were sent, and an HTTP status if one is among
    them."""

    codes: tuple[str, ...] = ()
    status: int | None = None

    @property
    def code(self) -> str:
        """The code that names the error best, fit for a record; empty if there is none."""
        return next((code for code in self.codes if _SHOWN_CODE.fullmatch(code) and not code.isdecimal()), "")


def read_error(body: bytes) -> ErrorAnswer | None:
    """The error in a body; None if it holds none.

    Read are OpenAI's `{"error": {"code", "type"}}`, its short form `{"error": "..."}`, and the flat ones of vLLM
    (`"object": "error"`) and DashScope (`{"code", "message"}`).
    """
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or told.get("choices"):
        return None
    error = told.get("error")
    if isinstance(error, dict):
        return _fields(error)
    if error or told.get("object") == "error" or ("code" in told and "message" in told):
        return _fields(told)
    return None


def blame(status: int, codes: Iterable[str] = ()) -> Blame:
    """Whose fault an answer of this HTTP status and with these codes is. 2xx is that of an error without a status."""
    known = {re.sub(r"[^a-z0-9]", "", code.partition(".")[0].lower()) for code in codes}
    if known & _OF_CONTENT:
        return Blame.CONTENT
    if known & _OF_SERVER or status in _SERVERS or 300 <= status < 400:
        return Blame.SERVER
    if status in _BUSY:
        return Blame.BUSY
    return Blame.REQUEST if 400 <= status < 500 else Blame.FAILED


def _fields(error: dict[str, Any]) -> ErrorAnswer:
    inner = error.get("innererror")
    values = [error.get("code"), error.get("type"), inner.get("code") if isinstance(inner, dict) else None]
    codes = tuple(str(value) for value in values if isinstance(value, str | int) and not isinstance(value, bool))
    numbers = [int(code) for code in codes if code.isascii() and code.isdecimal() and len(code) == 3]
    return ErrorAnswer(codes, next((number for number in numbers if 300 <= number <= _LAST_STATUS), None))
