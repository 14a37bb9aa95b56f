"""Which model is asked for. What a refusal says is tested through the engine."""

from __future__ import annotations

import pytest

from configs.parts import EndpointConfig
from tasks.engines.endpoint_refusals import pick_model
from tasks.engines.endpoint_replies import ServedModel
from tasks.records.errors import EndpointRefused

A, B = ServedModel(id="a", owned_by="vllm"), ServedModel(id="b")


def test_a_named_model_the_only_one_or_none() -> None:
    config = EndpointConfig(url="http://gpu/v1")
    named = EndpointConfig(url="http://gpu/v1", model="a")
    assert pick_model([A], config) is A
    assert pick_model([B, A], named) is A
    assert pick_model(None, named) == ServedModel(id="a")
    for served in ([], [A, B], None):
        with pytest.raises(EndpointRefused, match="does not serve one model alone"):
            pick_model(served, config)
    with pytest.raises(EndpointRefused, match="does not serve a; it serves b"):
        pick_model([B], named)
