"""Tests of the identity of a photo's text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.records.work import Identity
from tests.builders import examples, make_identity, sha

BASE = make_identity()

CHANGED = {
    "prompt": make_identity(prompt=sha("other prompt")),
    "checkpoint": make_identity(checkpoint=sha("other checkpoint")),
    "an adapter": make_identity(adapters=(sha("adapter"),)),
    "two adapters": make_identity(adapters=(sha("adapter"), sha("second"))),
    "two adapters the other way round": make_identity(adapters=(sha("second"), sha("adapter"))),
    "a setting more": make_identity(settings={**BASE.settings, "new": None}),
    "a setting changed": make_identity(settings={**BASE.settings, "dtype": "bfloat16"}),
    "a nested setting changed": make_identity(settings={**BASE.settings, "generation": {"max_new_tokens": 97}}),
}


def test_every_change_gives_another_key() -> None:
    photo = sha("photo")
    keys = {name: identity.work_key(photo) for name, identity in CHANGED.items()}
    assert len({BASE.work_key(photo), *keys.values()}) == len(CHANGED) + 1


@pytest.mark.parametrize("identity", [BASE, *CHANGED.values()])
def test_another_photo_has_another_key(identity: Identity) -> None:
    assert identity.work_key(sha("photo")) != identity.work_key(sha("other"))


@examples()
@given(st.permutations(sorted(BASE.settings)))
def test_the_order_of_settings_does_not_count(order: list[str]) -> None:
    settings = {name: BASE.settings[name] for name in order}
    assert make_identity(settings=settings).work_key(sha("photo")) == BASE.work_key(sha("photo"))


def test_parts_cannot_run_into_each_other() -> None:
    joined = Identity(prompt="ab", checkpoint="c", adapters=(), settings={})
    assert joined.digest != Identity(prompt="a", checkpoint="bc", adapters=(), settings={}).digest
    assert joined.digest != Identity(prompt="ab", checkpoint="", adapters=("c",), settings={}).digest


def test_a_key_can_be_computed_by_anybody_from_its_parts() -> None:
    identity = Identity(prompt="p", checkpoint="c", adapters=("a",), settings={"b": 1, "a": [0.5, None, "字"]})
    document = '["p", "c", ["a"], {"a": [0.5, null, "字"], "b": 1}]'
    assert identity.work_key("f" * 64) == sha(f"{sha(document)}\0{'f' * 64}")
