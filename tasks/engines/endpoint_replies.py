"""What an OpenAI-compatible server answers, read and checked. Knows no connection.

The formats are those of OpenAI's chat completions and model list; fields that are not read are not checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from tasks.engines.endpoint_faults import read_error
from tasks.engines.protocol import FinishReason
from tasks.engines.top_logprobs import MaybeLogprobs
from tasks.records.photos import on_one_line

_M = TypeVar("_M", bound=BaseModel)

_DATA_URL = re.compile(r"data:[\w/+.-]+;base64,[\w+/=]*")
_SHOWN = 300
"""Characters of a server's own message that ours repeat."""

_LINE_END = re.compile(rb"\r\n|\n|\r(?=[^\n])")
_LONGEST_LINE = 2**20

_FINISHES: dict[str | None, FinishReason] = {
    **dict.fromkeys(("stop", "eos", "eos_token", "end_turn", "stop_sequence"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "model_length"), "length"),
}
"""OpenAI's names of the two good ends, and those of TGI, Mistral and Anthropic, which gateways hand on."""


class UnexpectedReply(Exception):
    """An answer that is not what the format promises."""


class ServerError(Exception):
    """An error where an answer should be; `body` is its JSON."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        super().__init__()


def _count(value: Any) -> int:
    return value if type(value) is int and 0 <= value < 2**31 else 0


def _text(value: Any) -> Any:
    """Text of a message; some servers send it as a list of parts."""
    if not isinstance(value, list):
        return value
    texts = [part.get("text") for part in value if isinstance(part, dict) and part.get("type") == "text"]
    return "".join(text for text in texts if isinstance(text, str))


Count = Annotated[int, BeforeValidator(_count)]


class Usage(BaseModel):
    """Token counts; 0 from a server that does not count, or counts nonsense."""

    prompt_tokens: Count = 0
    completion_tokens: Count = 0


MaybeUsage = Annotated[Usage | None, BeforeValidator(lambda value: value if isinstance(value, dict) else None)]


class Message(BaseModel):
    """What the model wrote; null when that is nothing."""

    content: Annotated[str | None, BeforeValidator(_text)] = None


class Choice(BaseModel):
    """One answer. `finish_reason` is whatever the server says; `finish_of` reads it."""

    message: Message
    finish_reason: str | None = None
    logprobs: MaybeLogprobs = None


class Chat(BaseModel):
    """A chat completion."""

    choices: list[Choice] = Field(min_length=1)
    usage: MaybeUsage = None


class ChunkChoice(BaseModel):
    """A piece of one answer; the last one has a finish reason."""

    delta: Message = Message()
    finish_reason: str | None = None


class Chunk(BaseModel):
    """One event of a streamed chat completion; the one with the usage may have no choice."""

    choices: list[ChunkChoice]
    usage: MaybeUsage = None


class ServedModel(BaseModel):
    """A model that the server offers. vLLM and SGLang say how many tokens a request may have.

    `parent` is the base that a served adapter is on, by its id or its `root`; the adapter's own length is null.
    """

    id: str
    owned_by: Annotated[str, BeforeValidator(lambda value: value or "")] = ""
    max_model_len: Annotated[int | None, BeforeValidator(lambda value: _count(value) or None)] = None
    parent: str | None = None
    root: str | None = None


class Served(BaseModel):
    """The model list."""

    data: list[ServedModel]


def finish_of(reason: str | None) -> FinishReason | None:
    """The end that a server's finish reason stands for; None where it stands for neither of the good ones."""
    return _FINISHES.get(reason)


def read_chat(body: bytes) -> Chat:
    """A chat completion. Raises UnexpectedReply or ServerError."""
    return _read(Chat, body)


def read_served(body: bytes) -> list[ServedModel]:
    """The model list. Raises UnexpectedReply or ServerError."""
    return _read(Served, body).data


def read_lines(parts: Iterable[bytes]) -> Iterator[str]:
    """The lines of a stream of server-sent events, without their ends: LF, CR LF or CR, and nothing else.

    Raises UnexpectedReply for a line of more than a MiB, and for one that is not UTF-8.
    """
    rest = b""
    for part in parts:
        *lines, rest = _LINE_END.split(rest + part)
        if len(rest) > _LONGEST_LINE:
            raise UnexpectedReply(f"a line of more than {_LONGEST_LINE} bytes")
        yield from map(_decoded, lines)
    if rest.endswith(b"\r"):
        yield _decoded(rest[:-1])


def read_chunks(lines: Iterable[str]) -> Iterator[Chunk]:
    """The chunks of a stream of server-sent events, up to `[DONE]` or to where it ends.

    Raises UnexpectedReply or ServerError.

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
    text = on_one_line(" ".join(_DATA_URL.sub("data:...", text).split()))
    return f"{text[:_SHOWN]}..." if len(text) > _SHOWN else text


def _read(kind: type[_M], body: bytes) -> _M:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        if read_error(body) is not None:
            raise ServerError(body) from None
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UnexpectedReply(f"{first['msg']}" + (f" ({where})" if where else "")) from None


def _decoded(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise UnexpectedReply(f"a line that is not UTF-8: {error.reason}") from None
