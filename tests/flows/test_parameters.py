"""A setting is declared once: what Prefect knows of a flow's parameters is what their class of configuration says."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from prefect import Flow
from prefect.exceptions import ParameterTypeError, SignatureMismatchError
from prefect.utilities.callables import parameter_schema
from pydantic import BaseModel

from configs.base import PROFILE, BaseConfig
from configs.checkpoints import MergeRunConfig
from configs.dense import DenseCaptionConfig
from configs.parameters import given, parameters_of
from configs.parts import EngineConfig, GenerationConfig
from configs.stage_a import StageAConfig
from configs.stage_b import StageBConfig
from flows.dense_caption import dense_caption
from flows.merge_checkpoint import merge_checkpoint
from flows.stage_a import stage_a
from flows.stage_b import stage_b

EVERY_FLOW = pytest.mark.parametrize(
    ("flow", "kind", "own"),
    [
        (stage_a, StageAConfig, {"profile"}),
        (stage_b, StageBConfig, {"profile", "handed_by"}),
        (dense_caption, DenseCaptionConfig, {"profile"}),
        (merge_checkpoint, MergeRunConfig, {"profile"}),
    ],
    ids=lambda one: one.name if isinstance(one, Flow) else "",
)
OF_A_FORM = {"default", "description", "title", "position"}


def schema_of(flow: Flow[..., Any]) -> dict[str, Any]:
    """What `make deploy` tells the server, for the form and for its checks."""
    schema: dict[str, Any] = parameter_schema(flow).model_dump_for_openapi()
    return schema


def bounds(schema: dict[str, Any], definitions: str) -> Any:
    """Type and bounds in a schema, whether or not the value may be left out."""
    told = {name: value for name, value in schema.items() if name not in OF_A_FORM}
    if "anyOf" in told:
        (told,) = [one for one in told.pop("anyOf") if one != {"type": "null"}]
    if "$ref" in told:
        told["$ref"] = told["$ref"].removeprefix(definitions)
    return told


@EVERY_FLOW
def test_every_setting_is_a_parameter_and_every_parameter_a_setting(
    flow: Flow[..., Any], kind: type[BaseConfig], own: set[str]
) -> None:
    properties = schema_of(flow)["properties"]
    assert set(properties) == {*kind.model_fields} | own
    classes = kind.model_json_schema()
    for name, setting in classes["properties"].items():
        assert bounds(properties[name], "#/definitions/") == bounds(setting, "#/$defs/"), name
        assert properties[name]["description"] == kind.model_fields[name].description
    assert properties["profile"]["description"] == PROFILE
    assert all(properties[name]["description"] for name in own)


@EVERY_FLOW
def test_no_parameter_is_required_and_the_form_begins_with_what_people_type(
    flow: Flow[..., Any], kind: type[BaseConfig], own: set[str]
) -> None:
    schema = schema_of(flow)
    assert "required" not in schema
    assert {parameter.default for parameter in inspect.signature(flow).parameters.values()} == {None}
    shown = sorted(schema["properties"], key=lambda name: schema["properties"][name]["position"])
    parts = [issubclass(one, BaseModel) for name in shown if isinstance(one := _annotation(kind, name), type)]
    assert parts == sorted(parts)


def _annotation(kind: type[BaseConfig], name: str) -> Any:
    return kind.model_fields[name].annotation if name in kind.model_fields else None


@EVERY_FLOW
def test_the_page_of_a_flow_documents_it(flow: Flow[..., Any], kind: type[BaseConfig], own: set[str]) -> None:
    text = flow.description or ""
    assert text.index("\n\nArgs:\n    ") < text.index("\n\nReturns:\n    ")
    assert all(f"\n    {name}: " in text for name in {*kind.model_fields} | own)


def test_what_a_form_sends_is_checked_and_made_into_parts() -> None:
    sent = {"mission": "挡风板安装检查", "shard_photos": "5", "slots": ["gpu-0"], "generation": {"seed": 3}, "s3": None}
    checked = stage_a.validate_parameters(sent)
    assert checked["generation"] == GenerationConfig(seed=3)
    assert given(checked) == {
        "mission": "挡风板安装检查",
        "shard_photos": 5,
        "slots": ("gpu-0",),
        "generation": {"seed": 3},
    }
    for wrong in ({"shard_photos": 0}, {"device": "gpu"}, {"slots": ["a b"]}, {"generation": {"sed": 1}}):
        with pytest.raises(ParameterTypeError):
            stage_a.validate_parameters(wrong)
    with pytest.raises(SignatureMismatchError):
        stage_a.validate_parameters({"max_new_tokens": 5})


def test_of_a_part_only_what_was_set_is_given() -> None:
    told = {"engine": EngineConfig(batch_size=4), "mission": None, "force": False}
    assert given(told) == {"engine": {"batch_size": 4}, "force": False}


def documented(docstring: str, function: Callable[..., Any]) -> str:
    """A function's docstring once it has the settings of a merge."""
    function.__doc__ = docstring
    return inspect.getdoc(parameters_of(MergeRunConfig)(function)) or ""


def test_a_functions_own_parameters_come_after_the_settings() -> None:
    def merged(*, again: bool = False, profile: str | None = None, **parameters: Any) -> None: ...

    text = documented("Merge.\n\nArgs:\n    again: Whether.\n\nReturns:\n    Nothing.", merged)
    assert text.startswith("Merge.\n\nArgs:\n    device: Where the parity check runs")
    assert text.endswith(f"\n    profile: {PROFILE}\n    again: Whether.\n\nReturns:\n    Nothing.")
    names = list(inspect.signature(merged).parameters)
    assert names == ["device", "slots", "model", "merge", "again", "profile"]


def test_a_docstring_without_parameters_gets_them() -> None:
    def merged(**parameters: Any) -> None: ...

    text = documented("Merge.", merged)
    assert text.startswith("Merge.\n\nArgs:\n    device: ")
    assert text.endswith(f"\n    profile: {PROFILE}")
