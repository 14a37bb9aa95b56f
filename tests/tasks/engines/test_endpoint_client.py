"""One attempt to ask a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from configs.parts import EndpointConfig
from tasks.engines import endpoint_client
from tasks.engines.endpoint_client import EndpointClient, Refusal, TryAgain, _retry_after
from tests.tasks.engines.faulty import Script, chat, faulty, status


def client(script: Script) -> EndpointClient:
    return EndpointClient(EndpointConfig(url=script.url + "/", timeout_seconds=5), None)


def test_an_attempt_is_not_repeated_here() -> None:
    with faulty(acts=[status(502, None, Retry_After="7")]) as script:
        with pytest.raises(TryAgain, match="502") as caught:
            client(script).chat({})
        assert caught.value.after == 7
        assert client(script).chat({}).choices
        assert len(script.asked) == 2


def test_statuses_that_another_try_does_not_change() -> None:
    codes = [400, 404, 405, 413, 415, 422, 501]
    with faulty(acts=[status(code) for code in codes]) as script:
        for code in codes:
            with pytest.raises(Refusal) as caught:
                client(script).chat({})
            assert caught.value.status == code


def test_an_answer_without_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_client, "_MOST_BYTES", 1000)
    with (
        faulty(acts=[status(200, chat("x" * 2000))]) as script,
        pytest.raises(TryAgain, match="more than 1000") as caught,
    ):
        client(script).chat({})
    assert caught.value.unexpected


def test_retry_after_is_seconds_or_a_date() -> None:
    assert _retry_after(None) is None
    assert _retry_after("2.5") == 2.5
    assert _retry_after("-3") == 0
    assert _retry_after("soon") is None
    later = _retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))
    assert later is not None
    assert 28 <= later <= 30
    assert _retry_after("Thu, 01 Jan 1970 00:00:00 GMT") == 0
