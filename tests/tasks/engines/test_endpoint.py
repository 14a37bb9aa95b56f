"""The endpoint engine: a real server says what the default engine says, and a faulty one is asked again or given up."""

from __future__ import annotations

import base64
import io
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from PIL import Image

from configs.parts import EndpointConfig, EngineConfig, ModelConfig
from tasks.engines.endpoint import EndpointEngine
from tasks.engines.endpoint_retry import EndpointRetry
from tasks.engines.protocol import Completion, Decoding, Failure, Request
from tasks.engines.silence import Silence
from tasks.engines.transformers import TransformersEngine
from tasks.records.errors import EndpointRefused, EngineError, EngineGivenUp, EngineUnavailable
from tasks.records.reasons import Reason
from tests.demo import Demo
from tests.tasks.engines.asking import GREEDY, answers, ask_bytes, ask_mixed
from tests.tasks.engines.faulty import (
    TEXT,
    Act,
    Script,
    chat,
    drip,
    faulty,
    good,
    hang,
    pieces,
    pings,
    reset,
    slow,
    status,
    streamed,
)

KEY = "sk-very-secret-key"


def png(width: int = 64, height: int = 64) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "orange").save(out, "PNG")
    return out.getvalue()


PHOTO = png()
ONE = Request("one", lambda: PHOTO, "系统", "用户", GREEDY)


@pytest.fixture
def server() -> Iterator[Script]:
    with faulty() as script:
        yield script


def opened(server: Script, *, checkpoint: str = "", shown: Any = None, key: str | None = None, **endpoint: Any) -> Any:
    settings = {"url": server.url, "timeout_seconds": 5, "deadline_seconds": 10, **endpoint}
    engine = EngineConfig(kind="endpoint", endpoint=EndpointConfig.model_validate(settings))
    return EndpointEngine(checkpoint, api_key=key, engine=engine, model=ModelConfig.model_validate(shown or {}))


def test_a_server_says_what_the_default_engine_says(
    demo: Demo, expected: dict[str, Completion], deployed: EngineConfig
) -> None:
    engine = EndpointEngine(demo.checkpoint, engine=deployed)
    requests = ask_mixed(demo)
    assert answers(engine, requests) == expected
    for request in requests[-3:]:
        told: list[str] = []
        assert engine.stream(request, told.append) == expected[request.id]
        assert "".join(told) == expected[request.id].text
    (cut,) = engine.generate([ask_bytes("cut off", requests[0].read(), Decoding(5))])
    assert isinstance(cut, Completion)
    assert (cut.finish_reason, cut.completion_tokens) == ("length", 5)
    engine.close()


def test_a_real_server_refuses_a_model_that_it_does_not_serve(deployed: EngineConfig) -> None:
    other = deployed.endpoint.model_copy(update={"model": "gpt"})
    with pytest.raises(EndpointRefused, match="does not serve gpt; it serves checkpoint"):
        EndpointEngine(engine=deployed.model_copy(update={"endpoint": other}))


@pytest.mark.slow
def test_a_server_with_an_adapter_says_what_the_default_engine_says(
    demo: Demo, deploy_with: Callable[..., EngineConfig]
) -> None:
    # ms-swift 4.6 cannot batch requests for a named adapter.
    config = deploy_with("--adapters", f"trained={demo.adapter}", "--api_key", KEY, "--max_batch_size", "1")
    named = config.endpoint.model_copy(update={"model": "trained"})
    engine = EndpointEngine(demo.checkpoint, api_key=KEY, engine=config.model_copy(update={"endpoint": named}))
    ours = TransformersEngine(demo.checkpoint, [demo.adapter], device="cpu")
    requests = ask_mixed(demo)
    assert answers(engine, requests) == answers(ours, requests)
    ours.close()
    engine.close()


def test_what_is_sent(server: Script) -> None:
    server.owned_by = "vllm"
    engine = opened(server, key=KEY)
    decoding = Decoding(max_new_tokens=33, temperature=0.5, top_p=0.8, seed=7)
    photo = png(700, 500)
    (found,) = engine.generate([Request("a", lambda: photo, "系统", "用户", decoding)])
    assert found == Completion("a", TEXT, "stop", 120, 352, 9, 700, 500, 704, 512)
    (body,) = server.asked
    system, user = body.pop("messages")
    assert system == {"role": "system", "content": "系统"}
    picture, text = user["content"]
    assert text == {"type": "text", "text": "用户"}
    head, data = picture["image_url"]["url"].split(",")
    assert head == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (704, 512)
    assert body.pop("seed") != 7
    assert body == {
        "model": "demo",
        "max_tokens": 33,
        "temperature": 0.5,
        "top_p": 0.8,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "top_k": -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "skip_special_tokens": False,
    }
    assert server.keys == [f"Bearer {KEY}"]


def test_a_server_that_is_not_known_gets_openais_fields_alone(server: Script) -> None:
    list(opened(server).generate([ONE]))
    openai = {
        "model",
        "messages",
        "max_tokens",
        "temperature",
        "top_p",
        "seed",
        "presence_penalty",
        "frequency_penalty",
    }
    assert set(server.asked[0]) == openai
    assert server.keys == [None]


@pytest.mark.parametrize(
    "act",
    [
        status(429, {"error": {"message": "slow down"}}, Retry_After="0.05"),
        status(500, b"oops"),
        status(503),
        reset,
        slow(1.5),
        drip(3.0),
        status(200, b"<html>not json</html>"),
        status(200, {"choices": []}),
        status(200, chat(finish="abort")),
        status(200, b""),
    ],
    ids=["429", "500", "503", "reset", "slow", "drip", "garbage", "no choices", "odd finish", "empty"],
)
def test_a_failed_attempt_is_made_again(server: Script, act: Act) -> None:
    engine = opened(server, timeout_seconds=0.5)
    server.acts = [act]
    (found,) = engine.generate([ONE])
    assert found.text == TEXT
    assert len(server.asked) == 2


def test_retry_after_is_heeded(server: Script) -> None:
    engine = opened(server)
    server.acts = [status(429, None, Retry_After="1.2")]
    began = time.monotonic()
    list(engine.generate([ONE]))
    assert time.monotonic() - began >= 1.2


def test_a_server_that_stays_down_is_given_up_at_the_deadline(server: Script) -> None:
    engine = opened(server, deadline_seconds=0.4)
    server.acts = [status(503, {"message": "loading"})] * 50
    with pytest.raises(EngineGivenUp, match=rf"{server.url} gave no answer: \d+ attempts.*503.*loading") as caught:
        list(engine.generate([ONE]))
    assert not caught.value.retryable


def test_no_server_at_all(server: Script) -> None:
    with pytest.raises(EngineGivenUp, match=r"127\.0\.0\.1:9/v1 gave no answer.*ConnectError"):
        opened(server, url="http://127.0.0.1:9/v1", deadline_seconds=0.2)


def test_something_else_than_a_chat_server_is_not_asked_for_ever(server: Script) -> None:
    engine = opened(server, deadline_seconds=60)
    server.acts = [status(200, b"<html>login</html>")] * 9
    with pytest.raises(EngineError, match="does not answer as an OpenAI-compatible server does: 3 attempts") as caught:
        list(engine.generate([ONE]))
    assert not caught.value.retryable
    assert [body["max_tokens"] for body in server.asked] == [96, 96, 96, 1]  # the last is to compare with


@pytest.mark.parametrize("code", [401, 403])
def test_a_refused_key_is_told_with_where_it_comes_from_and_never_shown(server: Script, code: int) -> None:
    engine = opened(server, key=KEY, api_key=KEY)
    server.acts = [status(code, {"error": {"message": f"bad key {KEY}"}})]
    with pytest.raises(
        EndpointRefused, match=r"refuses the API key, which comes from engine\.endpoint\.api_key"
    ) as error:
        list(engine.generate([ONE]))
    assert KEY not in str(error.value)
    server.models = status(401)
    with pytest.raises(EndpointRefused, match="comes from the Secret block gpu"):
        opened(server, api_key_block="gpu")
    with pytest.raises(EndpointRefused, match="comes from nowhere: set"):
        opened(server)


def test_a_request_that_is_refused_is_not_repeated_and_the_photo_not_told(server: Script) -> None:
    engine = opened(server)
    server.acts = [lambda handler: status(400, {"detail": {"input": handler.script.asked[-1]}})(handler)] * 3
    with pytest.raises(
        EndpointRefused,
        match=r"three different photos in a row.* 400 Bad.*of about \d+ tokens, 64 of them visual, with 96 new ones",
    ) as error:
        list(engine.generate([replace(ONE, id=str(index)) for index in range(3)]))
    assert len(server.asked) == 3
    assert "data:..." in str(error.value)
    assert len(str(error.value)) < 1000


def test_the_model_is_the_one_that_is_named_or_the_only_one(server: Script) -> None:
    server.served = ("a", "b")
    with pytest.raises(EndpointRefused, match=r"does not serve one model alone; it serves a, b; set engine\.endpoint"):
        opened(server)
    with pytest.raises(EndpointRefused, match="does not serve c; it serves a, b"):
        opened(server, model="c")
    engine = opened(server, model="b")
    server.acts = [status(404, {"message": "unknown"})]
    with pytest.raises(EndpointRefused, match=r"does not know the model b \(404.*it serves a, b"):
        list(engine.generate([ONE]))


def test_a_server_without_a_list_needs_a_name(server: Script) -> None:
    server.models = status(404)
    with pytest.raises(EndpointRefused, match="it has no list of its models"):
        opened(server)
    list(opened(server, model="hidden").generate([ONE]))
    assert server.asked[0]["model"] == "hidden"


def test_a_redirect_is_not_followed(server: Script) -> None:
    server.models = status(308, None, Location="http://127.0.0.1:9/v1/models")
    with pytest.raises(EndpointRefused, match="sends requests elsewhere"):
        opened(server, key=KEY)


@pytest.mark.parametrize(
    "url", ["", "gpu-7:8000", "ftp://gpu/v1", "http://", "http://me:secret@gpu/v1", "http://gpu:port/v1"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    engine = EngineConfig(kind="endpoint", endpoint=EndpointConfig(url=url))
    with pytest.raises(EngineError, match=r"engine\.endpoint\.url") as caught:
        EndpointEngine(engine=engine)
    assert "secret" not in str(caught.value)


def test_a_key_that_no_header_can_carry_is_refused(server: Script) -> None:
    for key in ("", "schlüssel", "two\nlines"):
        with pytest.raises(EngineError, match="the API key is empty or has characters") as caught:
            opened(server, key=key)
        assert not key or key not in str(caught.value)


def test_requests_are_under_way_together_but_not_too_many(server: Script) -> None:
    server.acts = [slow(0.1)] * 12
    engine = opened(server, concurrency=4)
    requests = [ask_bytes(str(index), PHOTO) for index in range(12)]
    assert len(answers(engine, requests)) == 12
    assert server.most_at_once == 4


def test_photos_are_not_prepared_far_ahead(server: Script) -> None:
    """The server answers nothing at first: no more photos are read than can be under way or next."""
    read: list[int] = []

    def photo(index: int) -> Callable[[], bytes]:
        def get() -> bytes:
            read.append(index)
            return PHOTO

        return get

    server.acts = [slow(0.4)] * 2
    engine = opened(server, concurrency=2)
    results = engine.generate([Request(str(n), photo(n), "s", "u", GREEDY) for n in range(60)])
    next(results)
    assert len(read) <= 2 + 2 * 2 + 3
    assert len(list(results)) == 59


def test_a_bad_photo_fails_alone(server: Script) -> None:
    requests = [ONE, Request("noise", lambda: b"no picture", "s", "u", GREEDY)]
    results = {result.id: result for result in opened(server).generate(requests)}
    assert isinstance(results["noise"], Failure)
    assert results["noise"].error.reason is Reason.NOT_AN_IMAGE
    assert isinstance(results["one"], Completion)
    assert isinstance(opened(server).stream(requests[1], lambda text: None), Failure)


def test_an_error_ends_the_call_without_waiting_for_the_others(server: Script) -> None:
    server.acts = [status(401, {"message": "no"}), *[slow(4)] * 3]
    engine = opened(server, concurrency=4)
    began = time.monotonic()
    with pytest.raises(EndpointRefused):
        list(engine.generate([ask_bytes(str(index), PHOTO) for index in range(8)]))
    assert time.monotonic() - began < 3
    assert answers(engine, [ONE])  # the engine can still be used


def test_an_empty_answer_is_an_answer(server: Script) -> None:
    engine = opened(server)
    for text in ("", None):
        server.acts = [status(200, chat(text))]
        (found,) = engine.generate([ONE])
        assert found.text == ""


def test_a_server_that_counts_nothing(server: Script) -> None:
    answer = chat()
    del answer["usage"]
    server.acts = [status(200, answer)]
    (found,) = opened(server).generate([ONE])
    assert (found.prompt_tokens, found.completion_tokens) == (0, 0)


def test_a_stream_is_handed_on_piece_by_piece(server: Script) -> None:
    told: list[str] = []
    found = opened(server).stream(ONE, told.append)
    assert found == Completion("one", TEXT, "stop", 120, 64, 9, 64, 64, 256, 256)
    assert len(told) > 1
    assert "".join(told) == TEXT
    assert server.asked[0]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    "act",
    [
        streamed(pieces()[:2], torn=True),
        streamed(pieces()[:2]),
        streamed([*pieces()[:2], {"error": {"message": "out of memory"}}]),
        streamed([*pieces()[:2], "[DONE]"]),
    ],
    ids=["torn", "ended", "error", "done too early"],
)
def test_a_stream_that_breaks_off_is_not_begun_again(server: Script, act: Act) -> None:
    engine = opened(server)
    server.acts = [act]
    told: list[str] = []
    with pytest.raises(EngineUnavailable, match="broke off in the middle of an answer"):
        engine.stream(ONE, told.append)
    assert len(told) == 2
    assert len(server.asked) == 1


@pytest.mark.parametrize("act", [status(503), reset, streamed([]), streamed(["{"]), status(200, chat())])
def test_a_stream_that_has_said_nothing_yet_is_begun_again(server: Script, act: Act) -> None:
    engine = opened(server)
    server.acts = [act]
    told: list[str] = []
    assert engine.stream(ONE, told.append).text == TEXT
    assert "".join(told) == TEXT


def test_a_stream_that_is_refused(server: Script) -> None:
    engine = opened(server)
    server.acts = [status(400, {"message": "too long"})]
    found = engine.stream(ONE, lambda text: None)
    assert isinstance(found, Failure)
    assert found.error.reason is Reason.REQUEST_REFUSED
    server.acts = [status(401, {"message": "no key"})]
    with pytest.raises(EndpointRefused, match="no key"):
        engine.stream(ONE, lambda text: None)


@pytest.mark.parametrize(
    "act",
    [streamed([*pieces(finish="content_filter")]), streamed([{"error": {"code": "content_filter", "message": "no"}}])],
)
def test_a_stream_that_the_content_filter_ends_is_the_photos_failure(server: Script, act: Act) -> None:
    engine = opened(server)
    server.acts = [act]
    found = engine.stream(ONE, lambda text: None)
    assert isinstance(found, Failure)
    assert found.error.reason is Reason.CONTENT_REFUSED


def test_a_stream_of_nothing_but_comments_ends_in_time(server: Script) -> None:
    engine = opened(server, timeout_seconds=0.3)
    server.acts = [pings(30.0)]
    assert engine.stream(ONE, lambda text: None).text == TEXT
    server.acts = [pings(30.0, b"x")]
    assert engine.stream(ONE, lambda text: None).text == TEXT
    assert len(server.asked) == 4


def test_after_an_outage_only_what_has_no_answer_is_asked_again(
    server: Script, caplog: pytest.LogCaptureFixture
) -> None:
    """Some photos are answered, then the server takes requests and never answers, as vLLM does after SIGTERM."""
    hung = threading.Event()
    server.acts = [good] * 4 + [hang(hung)] * 4
    engine = opened(server, concurrency=4, timeout_seconds=0.4)
    engine._silence = engine_silence = Silence(server.url, interval=0.1)
    requests = [ask_bytes(f"photo {index}", PHOTO) for index in range(8)]
    assert len(answers(engine, requests)) == 8
    hung.set()
    engine_silence.close()
    assert len(server.asked) == 8 + 4
    assert any("no answer for" in line and "4 requests wait" in line for line in caplog.messages)
    assert any("answers again" in line for line in caplog.messages)


def test_nobody_who_leaves_waits_for_a_server_that_does_not_answer(server: Script) -> None:
    """Python waits for every thread that is no daemon, whoever it was that ended the process."""
    hung = threading.Event()
    server.acts = [good, hang(hung)]
    results = opened(server, concurrency=2).generate([replace(ONE, id=str(index)) for index in range(3)])
    next(results)
    asking = [thread for thread in threading.enumerate() if thread.name.startswith("ask-")]
    assert asking
    assert all(thread.daemon for thread in asking)
    hung.set()
    results.close()


def test_max_model_len_is_the_servers_or_ours(server: Script) -> None:
    photo = ask_bytes("photo", png(1200, 900))
    prompt = len(photo.system) + len(photo.user) + 32
    (whole,) = opened(server).generate([photo])
    assert whole.scaled_by == "max_pixels"
    server.max_model_len = prompt + GREEDY.max_new_tokens + 200
    (small,) = opened(server).generate([photo])
    assert small.scaled_by == "max_model_len"
    assert small.visual_tokens <= 200 < whole.visual_tokens
    (smaller,) = opened(server, shown={"max_model_len": server.max_model_len - 100}).generate([photo])
    assert smaller.visual_tokens <= 100


def test_a_checkpoint_says_how_photos_are_scaled_and_prompts_counted(
    server: Script, demo: Demo, expected: dict[str, Completion]
) -> None:
    requests = ask_mixed(demo)
    longest = max(found.prompt_tokens for found in expected.values())
    server.max_model_len = longest + GREEDY.max_new_tokens
    server.rule = lambda body: status(200, {**chat(), "usage": None})
    for key, found in answers(opened(server, checkpoint=demo.checkpoint), requests).items():
        assert (found.shown_width, found.shown_height) == (expected[key].shown_width, expected[key].shown_height)
        assert found.scaled_by == expected[key].scaled_by


def test_neither_key_nor_photo_is_logged_or_shown(
    server: Script, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("tasks.engines.silence.INTERVAL", 0.05)
    engine = opened(server, key=KEY, api_key=KEY)
    server.acts = [status(500, {"message": f"{KEY} failed"}), status(429), reset]
    list(engine.generate([ONE]))
    engine.close()
    logged = caplog.text
    assert "no answer for" in logged
    shown = repr(engine.__dict__)
    photo = server.asked[0]["messages"][1]["content"][0]["image_url"]["url"]
    for secret in (KEY, photo[22:60]):
        assert secret not in logged
        assert secret not in shown


def counting(server: Script, beside: int, scale: float = 1.0) -> Callable[[dict[str, Any]], Act]:
    """A server that counts so many tokens beside a photo, and makes so many of each of its own of the photo's."""

    def rule(body: dict[str, Any]) -> Act:
        _, data = body["messages"][1]["content"][0]["image_url"]["url"].split(",")
        width, height = Image.open(io.BytesIO(base64.b64decode(data))).size
        return status(200, chat(prompt_tokens=beside + int(scale * (width // 32) * (height // 32))))

    return rule


@pytest.mark.parametrize(
    ("more", "scale", "told", "scaled_by"),
    [
        (0, 1.0, None, None),
        (4, 1.0, "its chat template is another", None),
        (0, 0.25, "it scales photos anew", "server"),
        (0, 4.0, "it scales photos anew", "server"),
    ],
    ids=["alike", "other template", "scaled down", "scaled up"],
)
def test_a_server_that_counts_otherwise_is_named_and_its_photos_marked(
    server: Script,
    demo: Demo,
    expected: dict[str, Completion],
    caplog: pytest.LogCaptureFixture,
    more: int,
    scale: float,
    told: str | None,
    scaled_by: str | None,
) -> None:
    requests = ask_mixed(demo)[:3]
    beside = expected[requests[0].id].prompt_tokens - expected[requests[0].id].visual_tokens
    server.rule = counting(server, beside + more, scale)
    found = answers(opened(server, checkpoint=demo.checkpoint), requests)
    assert [line for line in caplog.messages if server.url in line and told and told in line] == caplog.messages
    assert len(caplog.messages) == (told is not None)
    assert [found[one.id].scaled_by for one in requests] == [
        scaled_by or expected[one.id].scaled_by for one in requests
    ]


def test_without_a_checkpoint_two_photos_find_out_a_server_that_scales(
    server: Script, caplog: pytest.LogCaptureFixture
) -> None:
    photos = [ask_bytes(str(side), png(side, side)) for side in (64, 600, 900)]
    server.rule = counting(server, 77)
    list(opened(server).generate(photos))
    assert not caplog.messages
    server.rule = counting(server, 77, 0.25)
    found = list(opened(server).generate(photos))
    assert len(caplog.messages) == 1
    assert "it scales photos anew" in caplog.messages[0]
    assert {one.scaled_by for one in found} == {None}


def test_a_url_without_v1_is_told_with_the_right_one(server: Script) -> None:
    listed = status(200, {"data": [{"id": "demo"}]})
    server.models = lambda handler: (listed if handler.path == "/v1/models" else status(404))(handler)
    base = server.url.removesuffix("/v1")
    for url in (base, f"{base}/"):
        with pytest.raises(EndpointRefused, match=rf"give --endpoint {server.url} \(engine\.endpoint\.url\)"):
            opened(server, url=url, model="demo")
    page = status(200, b"<html>")
    server.models = lambda handler: (listed if handler.path == "/v1/models" else page)(handler)
    with pytest.raises(EndpointRefused, match=f"give --endpoint {server.url}"):
        opened(server, url=base)


def test_an_adapter_is_asked_within_the_length_of_its_base(server: Script) -> None:
    photo = ask_bytes("photo", png(1200, 900))
    prompt = len(photo.system) + len(photo.user) + 32
    base = {"id": "qwen", "owned_by": "vllm", "max_model_len": prompt + GREEDY.max_new_tokens + 200}
    server.models = status(200, {"data": [base, {"id": "lora", "parent": "qwen", "max_model_len": None}]})
    (found,) = opened(server, model="lora").generate([photo])
    assert found.scaled_by == "max_model_len"
    assert server.asked[0]["top_k"] == -1  # vLLM's, as the base is


@pytest.mark.parametrize("answers_before", [0, 1])
def test_a_text_that_the_server_fails_on_is_compared_with_another_text(
    server: Script, monkeypatch: pytest.MonkeyPatch, answers_before: int
) -> None:
    """A server of a model without eyes would refuse a picture, whoever is to blame."""
    monkeypatch.setattr(
        "tasks.engines.endpoint.EndpointRetry", partial(EndpointRetry, first_wait=0.01, longest_wait=0.05)
    )
    bad = Request("bad", None, "系统", "坏", GREEDY)
    good = [Request(f"good {number}", None, "系统", "好", GREEDY) for number in range(answers_before)]

    def rule(body: dict[str, Any]) -> Act | None:
        content = body["messages"][1]["content"]
        if any(part["type"] != "text" for part in content):
            return status(400, {"error": {"message": "no eyes", "code": 400}})
        return status(500) if content[0]["text"] == "坏" else None

    server.rule = rule
    results = {result.id: result for result in opened(server, concurrency=1).generate([*good, bad])}
    assert isinstance(results["bad"], Failure)
    assert results["bad"].error.reason is Reason.ENGINE_FAILED
    texts = [body["messages"][1]["content"][0]["text"] for body in server.asked]
    assert [text for text in texts if text != "坏"] == (["好", "好"] if answers_before else ["你好"])
