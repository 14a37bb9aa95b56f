"""Servers that do each wrong thing, and what becomes of a run of photos with each. Knows no pytest.

`python -m tests.tasks.engines.endpoint_zoo` prints them with their outcomes.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal
from unittest.mock import patch

from PIL import Image

from configs.errors import FieldcheckError
from configs.parts import EndpointConfig, EngineConfig
from tasks.engines.endpoint import EndpointEngine
from tasks.engines.endpoint_retry import EndpointRetry
from tasks.engines.protocol import Completion, Decoding, Failure, Request, Result
from tests.tasks.engines.faulty import (
    TEXT,
    Act,
    Handler,
    Script,
    chat,
    drip,
    faulty,
    hang,
    pieces,
    pings,
    reset,
    status,
    streamed,
)

PHOTOS = ("a", "b", "bad", "c", "d", "e")
_NEVER = threading.Event()
_ANSWERED = "every photo answered"


def _png(side: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), "orange").save(out, "PNG")
    return out.getvalue()


_GOOD, _BAD = _png(64), _png(700)


@dataclass(frozen=True)
class Case:
    """A server's behaviour, to whom it shows it, and the outcome: of the bad photo where only that one is concerned.

    `scope`: the bad photo's requests, every request, the first one of each photo, or the model list.
    """

    name: str
    act: Act
    outcome: str
    scope: Literal["bad", "all", "once", "list"] = "bad"
    timeout: float = 20.0
    deadline: float = 40.0
    stream: bool = False
    script: dict[str, Any] = field(default_factory=dict)
    endpoint: dict[str, Any] = field(default_factory=dict)


def _said(text: Any = TEXT, finish: str | None = "stop", **message: Any) -> Act:
    answer = chat(text, finish)
    answer["choices"][0]["message"] |= message
    return status(200, answer)


def _counted(usage: Any) -> Act:
    return status(200, {**chat(), "usage": usage})


def _typed(kind: str, code: int = 200, body: bytes | None = None, **headers: str) -> Act:
    data = json.dumps(chat()).encode() if body is None else body
    return lambda handler: handler.send(code, data, kind, **headers)


def _half(handler: Handler) -> None:
    """Headers and half of the body, then nothing, on an open connection."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.wfile.flush()
    hang(_NEVER)(handler)


def _error(code: object, kind: str = "", http: int = 400) -> Act:
    return status(http, {"error": {"message": "words that nobody decides by", "code": code, "type": kind}})


_HUGE = status(200, chat("x" * 3_000_000))
_HTML = _typed("text/html", body=b"<html><body>login</body></html>")
_CUT = _typed("application/json", body=json.dumps(chat()).encode()[:60])
_BASE = {"id": "qwen", "owned_by": "vllm", "root": "/m", "parent": None, "max_model_len": 4096}
_LORA = {"id": "lora", "owned_by": "vllm", "root": "/l", "parent": "qwen", "max_model_len": None}


def _list(*models: Any) -> Act:
    return status(200, {"object": "list", "data": list(models)})


def _without_v1(handler: Handler) -> None:
    if handler.path == "/v1/models":
        return _list(_BASE)(handler)
    return status(404, {"detail": "Not Found"})(handler)


_REFUSED, _FAILED = "bad: request_refused", "bad: engine_failed"
_FILTERED, _BROKEN = "bad: content_refused", "bad: answer_broken_off"
_HANGING = {"timeout": 0.5, "deadline": 30.0}
_ENDING = {"scope": "all", "deadline": 0.6}

CASES: tuple[Case, ...] = (
    # an answer that did not end well
    Case("finish_reason content_filter", _said("", "content_filter"), _FILTERED),
    Case("finish_reason repetition", _said(TEXT * 9, "repetition"), "bad: answer_repeats"),
    Case("finish_reason abort", _said(TEXT, "abort"), _BROKEN),
    Case("finish_reason error", _said("", "error"), _BROKEN),
    Case("finish_reason null", _said(TEXT, None), _BROKEN),
    Case("finish_reason with a terminal escape", _said(TEXT, "\x1b[2J"), _BROKEN),
    Case("tool_calls instead of text", _said(None, "tool_calls", tool_calls=[{"id": "1"}]), _BROKEN),
    # refused, by status and code
    Case("400 data_inspection_failed (DashScope)", _error("data_inspection_failed"), _FILTERED),
    Case("400 content_filter (Azure)", _error("content_filter"), _FILTERED),
    Case("400 BadRequestError (vLLM)", _error(400, "BadRequestError"), _REFUSED),
    Case("400 with a page as body", _typed("text/html", 400, b"<h1>Bad Request</h1>"), _REFUSED),
    Case("413 too large", status(413), _REFUSED),
    Case("422 cannot be processed", status(422, {"detail": [{"loc": ["body"]}]}), _REFUSED),
    Case("200 with an error of code 400", status(200, {"object": "error", "message": "m", "code": 400}), _REFUSED),
    Case("200 with an error of the content filter", _error("content_policy_violation", http=200), _FILTERED),
    # fails on one photo, each time
    Case("500 for one photo", _error(500, "InternalServerError", 500), _FAILED),
    Case("502 with a page for one photo", _typed("text/html", 502, b"<h1>Bad Gateway</h1>"), _FAILED),
    Case("200 with an error of code 500", _error(500, http=200), _FAILED),
    Case("200 with an error in words", status(200, {"error": "boom"}), _FAILED),
    Case("connection closed", reset, _FAILED),
    Case("hangs before the headers", hang(_NEVER), _FAILED, **_HANGING),
    Case("hangs in the middle of the body", _half, _FAILED, **_HANGING),
    Case("a byte now and then, for ever", drip(30.0), _FAILED, **_HANGING),
    Case("page instead of JSON", _HTML, _FAILED),
    Case("JSON cut off", _CUT, _FAILED),
    Case("empty body", _typed("application/json", body=b""), _FAILED),
    Case("empty choices", status(200, {"choices": []}), _FAILED),
    Case("choices null", status(200, {"choices": None}), _FAILED),
    Case("nested 100,000 deep", _typed("application/json", body=b"[" * 100_000), _FAILED),
    Case("not UTF-8", _typed("application/json", body=b'{"choices": "\xff\xfe"}'), _FAILED),
    Case("huge body", _HUGE, _FAILED),
    Case("says gzip and is not", _typed("application/json", Content_Encoding="gzip"), _FAILED),
    Case(
        "gzip bomb",
        _typed("application/json", body=gzip.compress(b" " * 50_000_000), Content_Encoding="gzip"),
        _FAILED,
    ),
    # odd, and yet an answer
    Case("prompt_tokens null", _counted({"prompt_tokens": None, "completion_tokens": None}), _ANSWERED, "all"),
    Case("no usage", _counted(None), _ANSWERED, "all"),
    Case("usage negative", _counted({"prompt_tokens": -1, "completion_tokens": -7}), _ANSWERED, "all"),
    Case("usage a text", _counted("12 tokens"), _ANSWERED, "all"),
    Case("finish_reason end_turn", _said(TEXT, "end_turn"), _ANSWERED, "all"),
    Case("finish_reason max_tokens", _said(TEXT, "max_tokens"), "bad: answered, length"),
    Case("content as a list of parts", _said([{"type": "text", "text": TEXT}]), _ANSWERED, "all"),
    Case("content null beside reasoning", _said(None, reasoning_content=TEXT), "bad: answered, stop, ''"),
    Case("think tags", _said("<think>\n</think>" + TEXT), "bad: answered, stop, '<think>\\n</think>BBU设备×1，标签×2'"),
    Case("content type text/plain", _typed("text/plain"), _ANSWERED, "all"),
    Case("two choices", status(200, {**chat(), "choices": chat()["choices"] * 2}), _ANSWERED, "all"),
    # passing
    Case("429 with Retry-After, once", status(429, None, Retry_After="0.05"), _ANSWERED, "once"),
    Case("500, once", status(500), _ANSWERED, "once"),
    Case("503 storm that ends", status(503), _ANSWERED, "once", script={"acts": [status(503)] * 12}),
    Case("connection closed, once", reset, _ANSWERED, "once"),
    Case("page instead of JSON, once", _HTML, _ANSWERED, "once"),
    # the server's fault
    Case("401 for all", status(401), "EndpointRefused", "all"),
    Case("402 for all", status(402), "EndpointRefused", "all"),
    Case("403 for all", status(403), "EndpointRefused", "all"),
    Case("404: the model is gone", _error(404, "NotFoundError", 404), "EndpointRefused", "all"),
    Case("400 model_not_found", _error("model_not_found"), "EndpointRefused", "all"),
    Case("429 insufficient_quota", _error("insufficient_quota", http=429), "EndpointRefused", "all"),
    Case("redirect", status(308, None, Location="http://127.0.0.1:9/v1"), "EndpointRefused", "all"),
    Case("400 for all", _error(400, "BadRequestError"), "EndpointRefused", "all"),
    Case("content filter for all", _said("", "content_filter"), "EndpointRefused", "all"),
    Case("repetition for all", _said(TEXT * 9, "repetition"), "EndpointRefused", "all"),
    Case("500 for all", status(500), "EngineGivenUp", **_ENDING),
    Case("503 for all", status(503), "EngineGivenUp", **_ENDING),
    Case("connection closed for all", reset, "EngineGivenUp", **_ENDING),
    Case("hangs for all", hang(_NEVER), "EngineGivenUp", timeout=0.3, **_ENDING),
    Case("page instead of JSON for all", _HTML, "EngineError", "all"),
    # before the first photo
    Case("URL without /v1", _without_v1, "EndpointRefused", "list", endpoint={"url": ""}),
    Case("model that is not served", _list(_BASE), "EndpointRefused", "list", endpoint={"model": "gpt"}),
    Case("two models and none named", _list(_BASE, _LORA), "EndpointRefused", "list"),
    Case("no model", _list(), "EndpointRefused", "list"),
    Case("no list of models", status(404), "EndpointRefused", "list"),
    Case("no list of models, but a name", status(404), _ANSWERED, "list", endpoint={"model": "demo"}),
    Case("list is a page", _HTML, "EngineError", "list"),
    Case("list hangs", hang(_NEVER), "EngineGivenUp", "list", timeout=0.3, deadline=0.6),
    Case("list refused", status(403), "EndpointRefused", "list"),
    Case("adapter with a length of null", _list(_BASE, _LORA), _ANSWERED, "list", endpoint={"model": "lora"}),
    Case("list with nulls", _list({"id": "q", "owned_by": None, "max_model_len": "4k"}), _ANSWERED, "list"),
    Case(
        "nobody listens", status(200), "EngineGivenUp", "list", deadline=0.3, endpoint={"url": "http://127.0.0.1:9/v1"}
    ),
    # streams
    Case("pings for ever", pings(30.0), _FAILED, stream=True, **_HANGING),
    Case("a line without end", pings(30.0, b"x"), _FAILED, stream=True, **_HANGING),
    Case("a line of 3 MB", pings(30.0, b"x" * 3_000_000), _FAILED, stream=True),
    Case("a stream of nothing", streamed([]), _FAILED, stream=True),
    Case("a stream that breaks off", streamed(pieces()[:2], torn=True), "EngineUnavailable", stream=True),
    Case("a stream that is no JSON", streamed(["{"]), _FAILED, stream=True),
    Case("a stream with an error", streamed([{"error": {"code": "content_filter"}}]), _FILTERED, stream=True),
)


@contextmanager
def _served(case: Case) -> Iterator[Script]:
    """The case's server."""
    with faulty(**case.script) as script:
        shown: dict[str, None] = {}

        def rule(body: dict[str, Any]) -> Act | None:
            _, data = body["messages"][1]["content"][0]["image_url"]["url"].split(",")
            picture = Image.open(io.BytesIO(base64.b64decode(data)))
            new = body["messages"][0]["content"] not in shown
            shown[body["messages"][0]["content"]] = None
            told = {"bad": picture.width > 256, "all": True, "once": new, "list": False}
            return case.act if told[case.scope] else None

        script.rule = rule
        if case.scope == "list":
            script.models = case.act
        yield script


def outcome(case: Case) -> str:
    """What becomes of six photos, one of them larger than the others, with the case's server.

    Raises whatever is no error of ours.
    """
    quick = partial(EndpointRetry, first_wait=0.01, longest_wait=0.05)
    with ExitStack() as stack:
        for place in ("endpoint", "endpoint_opening"):
            stack.enter_context(patch(f"tasks.engines.{place}.EndpointRetry", quick))
        stack.enter_context(patch("tasks.engines.endpoint_client._MOST_BYTES", 2_000_000))
        script = stack.enter_context(_served(case))
        url = case.endpoint.get("url", script.url) or script.url.removesuffix("/v1")
        endpoint = {"timeout_seconds": case.timeout, "deadline_seconds": case.deadline, "concurrency": 1}
        config = EndpointConfig.model_validate({**endpoint, **case.endpoint, "url": url})
        try:
            with closing(EndpointEngine(engine=EngineConfig(kind="endpoint", endpoint=config))) as engine:
                results = {result.id: result for result in _asked(engine, case.stream)}
        except FieldcheckError as error:
            return type(error).__name__
    fine = all(isinstance(result, Completion) and result.text == TEXT for result in results.values())
    if fine and all(isinstance(result, Completion) and result.finish_reason == "stop" for result in results.values()):
        return _ANSWERED if len(results) == len(PHOTOS) else f"only {len(results)} answered"
    odd = {key for key, result in results.items() if not isinstance(result, Completion) or result.text != TEXT}
    if odd - {"bad"}:
        return f"also {', '.join(sorted(odd - {'bad'}))}"
    return f"bad: {_told(results['bad'])}"


def _asked(engine: EndpointEngine, stream: bool) -> Iterator[Result]:
    requests = [
        Request(name, partial(bytes, _BAD if name == "bad" else _GOOD), f"系统 {name}", "用户", Decoding(96))
        for name in PHOTOS
    ]
    if not stream:
        yield from engine.generate(requests)
        return
    for request in requests:
        yield engine.stream(request, lambda text: None)


def _told(result: Result) -> str:
    if isinstance(result, Failure):
        return result.error.reason.value
    text = "" if result.text == TEXT else f", {result.text!r}"
    return f"answered, {result.finish_reason}{text}"


def table(write: Callable[[str], object]) -> int:
    """Every case with its outcome; how many are not as they should be."""
    wrong = 0
    for number, case in enumerate(CASES, start=1):
        found = outcome(case)
        wrong += found != case.outcome
        mark = "" if found == case.outcome else f"   EXPECTED {case.outcome}"
        write(f"{number:3d}  {case.scope:5s} {case.name:42s} {found}{mark}\n")
    return wrong


if __name__ == "__main__":
    sys.exit(table(sys.stdout.write))
