"""Whose fault an error is: by status and code, whatever the words are."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engines.endpoint_faults import Blame, ErrorAnswer, blame, read_error


@pytest.mark.parametrize(
    ("status", "codes", "expected"),
    [
        (400, (), Blame.REQUEST),
        (413, (), Blame.REQUEST),
        (422, (), Blame.REQUEST),
        (451, (), Blame.REQUEST),
        (400, ("BadRequestError", "400"), Blame.REQUEST),
        (400, ("context_length_exceeded",), Blame.REQUEST),
        (400, ("data_inspection_failed",), Blame.CONTENT),
        (400, ("DataInspectionFailed",), Blame.CONTENT),
        (400, ("content_filter",), Blame.CONTENT),
        (400, ("InputImageSensitiveContentDetected.PolicyViolation",), Blame.CONTENT),
        (400, ("1301",), Blame.CONTENT),
        (400, ("model_not_found",), Blame.SERVER),
        (400, ("Arrearage",), Blame.SERVER),
        (429, ("insufficient_quota",), Blame.SERVER),
        (401, (), Blame.SERVER),
        (402, (), Blame.SERVER),
        (403, (), Blame.SERVER),
        (404, (), Blame.SERVER),
        (308, (), Blame.SERVER),
        (501, (), Blame.SERVER),
        (429, (), Blame.BUSY),
        (503, (), Blame.BUSY),
        (500, (), Blame.FAILED),
        (502, (), Blame.FAILED),
        (504, (), Blame.FAILED),
        (200, (), Blame.FAILED),
    ],
)
def test_status_and_code_decide(status: int, codes: tuple[str, ...], expected: Blame) -> None:
    assert blame(status, codes) is expected


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        ({"error": {"message": "m", "type": "BadRequestError", "param": None, "code": 400}}, "BadRequestError", 400),
        (
            {"error": {"message": "m", "type": "invalid_request_error", "code": "model_not_found"}},
            "model_not_found",
            None,
        ),
        ({"object": "error", "message": "m", "type": "BadRequestError", "code": 400}, "BadRequestError", 400),
        ({"code": "DataInspectionFailed", "message": "m", "request_id": "1"}, "DataInspectionFailed", None),
        (
            {"error": {"code": "400", "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
            "ResponsibleAIPolicyViolation",
            400,
        ),
        ({"error": "boom"}, "", None),
        ({"error": {"code": "a b\n<script>"}}, "", None),
        ({"error": {"code": True, "type": 7}}, "", None),
    ],
)
def test_an_error_is_read_from_its_fields(body: object, code: str, status: int | None) -> None:
    found = read_error(json.dumps(body).encode())
    assert found is not None
    assert (found.code, found.status) == (code, status)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"<html>", b"{}", b"[" * 100_000, b'{"choices": [1], "error": {}}', b'{"code": 200}']
)
def test_what_is_no_error_is_none(body: bytes) -> None:
    assert read_error(body) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["error", "code", "type", "message", "innererror", "object"]), inner)
    ),
)


@settings(deadline=None, max_examples=40)
@given(_JSON)
def test_any_json_is_read_without_an_error_of_ours(value: object) -> None:
    found = read_error(json.dumps(value).encode())
    assert found is None or isinstance(found, ErrorAnswer)
    assert found is None or found.code.isascii()
