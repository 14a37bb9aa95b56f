"""What an OpenAI-compatible server answers, read and checked. Knows no connection.

The formats are those of OpenAI's chat completions and model list; fields that are not read are not checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from tasks.engines.protocol import FinishReason

_M = TypeVar("_M", bound=BaseModel)

_DATA_URL = re.compile(r"data:[\w/+.-]+;base64,[\w+/=]*")
_SHOWN = 300
"""Characters of a server's own message that ours repeat."""


class Odd(Exception):
    """An answer that is not what the format promises."""


class Usage(BaseModel):
    """Token counts; 0 from a server that does not count."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Message(BaseModel):
    """What the model wrote; null when that is nothing."""

    content: str | None = None


class Choice(BaseModel):
    """One answer."""

    message: Message
    finish_reason: FinishReason


class Chat(BaseModel):
    """A chat completion."""

    choices: list[Choice] = Field(min_length=1)
    usage: Usage | None = None


class ChunkChoice(BaseModel):
    """A piece of one answer; the last one has a finish reason."""

    delta: Message = Message()
    finish_reason: FinishReason | Literal[""] | None = None


class Chunk(BaseModel):
    """One event of a streamed chat completion; the one with the usage may have no choice."""

    choices: list[ChunkChoice]
    usage: Usage | None = None


class ServedModel(BaseModel):
    """A model that the server offers. vLLM and SGLang say how many tokens a request may have."""

    id: str
    owned_by: str = ""
    max_model_len: int | None = None


class Served(BaseModel):
    """The model list."""

    data: list[ServedModel]


def read_chat(body: bytes) -> Chat:
    """A chat completion. Raises Odd."""
    return _read(Chat, body)


def read_served(body: bytes) -> list[ServedModel]:
    """The model list. Raises Odd."""
    return _read(Served, body).data


def read_chunks(lines: Iterable[str]) -> Iterator[Chunk]:
    """The chunks of a stream of server-sent events, up to `[DONE]` or to where it ends. Raises Odd.

    Format: WHATWG HTML, 9.2.6: an event's data lines are joined, a blank line ends it, other fields and comments are
    skipped.
    """
    data: list[str] = []
    for line in lines:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            text = "\n".join(data)
            data.clear()
            if text == "[DONE]":
                return
            yield _read(Chunk, text.encode())


def said(body: bytes, secret: str | None) -> str:
    """The server's own words about an error, short, on one line, without the photo and the key that it may repeat."""
    text = body.decode("utf-8", errors="replace")
    if secret:
        text = text.replace(secret, "***")
    text = " ".join(_DATA_URL.sub("data:...", text).split())
    return f"{text[:_SHOWN]}..." if len(text) > _SHOWN else text


def _read(kind: type[_M], body: bytes) -> _M:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Odd(f"{first['msg']}" + (f" ({where})" if where else "")) from None
