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
    assert pick_model([A], config).model is A
    assert pick_model([B, A], named).model is A
    assert pick_model(None, named).model == ServedModel(id="a")
    for served in ([], [A, B], None):
        with pytest.raises(EndpointRefused, match="does not serve one model alone"):
            pick_model(served, config)
    with pytest.raises(EndpointRefused, match="does not serve a; it serves b"):
        pick_model([B], named)


def test_an_adapter_takes_its_length_and_owner_from_the_base_that_it_is_on() -> None:
    base = ServedModel(id="qwen", owned_by="vllm", root="/models/qwen", max_model_len=4096)
    config = EndpointConfig(url="http://gpu/v1", model="lora")
    for parent in ("qwen", "/models/qwen"):
        server = pick_model([base, ServedModel(id="lora", parent=parent)], config)
        assert (server.max_model_len, server.owner) == (4096, "vllm")
    for parent in (None, "gone", "lora"):
        server = pick_model([base, ServedModel(id="lora", parent=parent)], config)
        assert (server.max_model_len, server.owner) == (None, "")
    circle = [ServedModel(id="lora", parent="other"), ServedModel(id="other", parent="lora")]
    assert pick_model(circle, config).max_model_len is None
