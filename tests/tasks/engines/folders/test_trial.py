"""Tests of trying out templates and patterns in a process that is bounded."""

from __future__ import annotations

from typing import Any

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from tasks.engines.folders import trial
from tasks.engines.folders.trial import check_patterns, render
from tasks.records.errors import CheckpointError
from tests.folders import WORDS

CHAT: list[dict[str, Any]] = [
    {"role": "system", "content": [{"type": "text", "text": "系统 <b>"}]},
    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "问题"}]},
]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "SECONDS", 3)


@pytest.mark.parametrize(
    "template",
    [
        (WORDS / "chat_template.jinja").read_text(encoding="utf-8"),
        "{% for m in messages %}{% if loop.index == 2 %}{% break %}{% endif %}{{ m | tojson }}\n{% endfor %}",
        "{% generation %}{{ messages[0].content[0].text }}{% endgeneration %}\n  {% if true %}\nx{% endif %}\n",
        "{{ messages | tojson(indent=1) }}{{ eos_token }}{{ unknown }}{{ '' if tools is none else 'tools' }}",
    ],
)
def test_a_template_makes_what_transformers_makes_of_it(template: str) -> None:
    theirs, _ = render_jinja_template([CHAT], chat_template=template, add_generation_prompt=True, eos_token="<e>")
    assert render(template, CHAT, {"eos_token": "<e>"}) == theirs[0]


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ("{% for a in range(9999) %}" * 5 + "{% endfor %}" * 5, "does not end within 3 s"),
        ("{{ 'a' * 10**10 }}", "memory"),
        ("{{ 'a' * 2000000 }}", "makes 2000000 characters"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "RecursionError"),
        ("{{ raise_exception('no system prompt') }}", "fails: TemplateError: no system prompt"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "fails: SecurityError"),
        ("{{ messages.append(1) }}", "fails: SecurityError"),
        ("{% for %}", "fails: TemplateSyntaxError"),
    ],
)
def test_a_template_that_must_not_be_rendered_ends_its_own_process(template: str, wanted: str) -> None:
    with pytest.raises(CheckpointError, match=wanted.replace("(", r"\(")):
        render(template, CHAT, {})


def test_patterns_that_end_are_fine_and_others_are_told() -> None:
    names = [f"model.language_model.layers.{layer}.self_attn.q_proj" for layer in range(40)]
    check_patterns([], names)
    check_patterns([r"^(model\.language_model(?=\.).*\.(q_proj|k_proj))$", "all-linear", "q_proj"], names)
    with pytest.raises(CheckpointError, match="does not end within 3 s"):
        check_patterns([r"(\w+\.?)+!"], names)
    with pytest.raises(CheckpointError, match="is no pattern"):
        check_patterns(["(q_proj"], names)
