"""A kind of configuration as the parameters of a function: each setting is declared in its class, and nowhere else.

Prefect makes the form, the schema and the checks of a deployment's parameters from a flow's signature and docstring.
Both are made here from the class: a parameter for each setting, of the same type, bounds and description, that may be
left out. What is left out is for `configs.settings` to find.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from configs.base import PROFILE, BaseConfig

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def parameters_of(kind: type[BaseConfig]) -> Callable[[FunctionT], FunctionT]:
    """Give a function `f(*, profile=None, **parameters)` the settings of a class as keyword parameters.

    Parameters that the function has of its own come after them. In its docstring the settings, and the profile, begin
    its `Args:`, which is made if there is none.
    """

    def give(function: FunctionT) -> FunctionT:
        told = inspect.signature(function, eval_str=True).parameters.values()
        own = [parameter for parameter in told if parameter.kind is not inspect.Parameter.VAR_KEYWORD]
        settings = [_parameter(name, field) for name, field in _in_order(kind)]
        made: Any = function
        made.__signature__ = inspect.Signature([*settings, *own], return_annotation=dict[str, Any])
        made.__doc__ = _documented(function.__doc__ or "", kind)
        return function

    return give


def given(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What was given among a function's parameters, as a layer of settings: of a part, only what was set."""
    return {
        name: value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value
        for name, value in parameters.items()
        if value is not None
    }


def _in_order(kind: type[BaseConfig]) -> list[tuple[str, FieldInfo]]:
    """The settings as a form shows them: what people type before the parts, which fold out."""
    return sorted(kind.model_fields.items(), key=lambda item: _is_part(item[1].annotation))


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    annotation: Any = field.annotation | None  # type: ignore[operator]
    for bound in field.metadata:
        annotation = Annotated[annotation, bound]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _is_part(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _documented(docstring: str, kind: type[BaseConfig]) -> str:
    """A docstring in Google's form with an entry, on one line, for each setting of the class and for the profile."""
    told = {name: field.description for name, field in _in_order(kind)} | {"profile": PROFILE}
    entries = [f"    {name}: {text}" for name, text in told.items()]
    text, returns, what = inspect.cleandoc(docstring).partition("\n\nReturns:\n")
    text, _, own = text.partition("\n\nArgs:\n")
    args = "\n".join([*entries, *filter(None, [own])])
    return f"{text}\n\nArgs:\n{args}{returns}{what}"
