"""Tests of reading YAML: what is plain comes out as it is, all else is a fault with its line, and everything ends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from configs.errors import ConfigError, Fault
from configs.yamls import MOST_BYTES, parse_yaml, read_yaml
from tests.builders import examples

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def fault(text: str) -> str:
    """The only thing wrong with a text."""
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "mine.yaml")
    (found,) = caught.value.faults
    return str(found)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (BOMB, 2, "the alias *a is not read"),
        ("base: &base {seed: 1}\ngeneration: *base\n", 2, "the alias *base is not read"),
        ("&a [*a]", 1, "the alias *a is not read"),
        ("generation:\n  <<: {seed: 1}\n", 2, "the merge key << is not read"),
        ("a: !!python/object/apply:os.system [id]\n", 1, "the tag"),
        ("a: !!bool maybe", 1, "the tag"),
        ("a: 1\nb: {c: 1, d: 2, c: 3}\n", 2, "the key 'c' stands twice"),
        ("a: 1\n1: b\n", 2, "a key is not text"),
        ("? [a]\n: b\n", 1, "a key is not text"),
        ("a:\n\tb: 1\n", 2, "found character '\\t' that cannot start any token"),
        ("a: b: c", 1, "mapping values are not allowed here"),
        ("--- 1\n--- 2\n", 2, "expected a single document"),
        ("a: 2026-02-30", 1, "is no value that YAML knows"),
        ("a: " + "9" * 5000, 1, "is no value that YAML knows"),
        ("a: " + "9:" * 20_000 + "9", 1, "the number is too large"),
        ("a: \x07", 1, "U+0007 cannot stand in YAML"),
        ("[" * 100_000, 1, "nested more than 16 deep"),
        ("- " * 100_000, 1, "nested more than 16 deep"),
        ("? " * 100_000, 1, "nested more than 16 deep"),
    ],
)
def test_what_is_not_plain_is_a_fault_with_its_line(text: str, line: int, what: str) -> None:
    assert fault(text).startswith(f"mine.yaml, line {line}: ")
    assert what in fault(text)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text("设备a b:#'\"-é\n", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab设备 :", max_size=4), inner, max_size=3),
    max_leaves=8,
)


@examples()
@given(values, st.sampled_from(["", "\ufeff"]), st.booleans())
def test_what_is_plain_comes_out_as_it_is(value: Any, start: str, flow: bool) -> None:
    class Plain(yaml.SafeDumper):
        """Writes no aliases."""

        def ignore_aliases(self, data: Any) -> bool:
            """Never."""
            return True

    text = yaml.dump(value, Dumper=Plain, allow_unicode=True, default_flow_style=flow)
    assert parse_yaml(start + text, "mine.yaml") == value


@examples(300)
@given(st.text("ab:- \n\t[]{}?&*!<%@`'\"|>#,0x_=.~\x00\x85\ufeff设", max_size=24))
def test_whatever_a_text_is_it_is_a_value_or_one_fault(text: str) -> None:
    faults: tuple[Fault, ...] = ()
    try:
        parse_yaml(text, "mine.yaml")
    except ConfigError as error:
        faults = error.faults
    assert [fault.where.partition(",")[0] for fault in faults] in ([], ["mine.yaml"])


def test_a_file_without_an_end_a_pipe_and_a_folder_are_faults(tmp_path: Path) -> None:
    large, pipe = tmp_path / "large.yaml", tmp_path / "pipe.yaml"
    large.write_bytes(b"#" * (MOST_BYTES + 1))
    os.mkfifo(pipe)
    for path, what in ((large, "is larger than 256 KiB"), (pipe, "is not a file"), (tmp_path, "is not a file")):
        with pytest.raises(ConfigError, match=what):
            read_yaml(path)
    with pytest.raises(FileNotFoundError):
        read_yaml(tmp_path / "none.yaml")
