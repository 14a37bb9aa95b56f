"""Every YAML file that is read: what it says, or a fault with its line. Knows no setting and no mission.

The files are small and plain, and so is what is read of YAML: mappings, lists and plain values. Aliases, tags and merge
keys are refused, for ten lines of them can stand for more than any memory holds; size and depth are bounded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import yaml

from configs.errors import ConfigError, Fault

MOST_BYTES = 256 * 1024
MOST_DEPTH = 16

_CURE = "write it as plain YAML in UTF-8"


def read_yaml(path: Path) -> Any:
    """What a file says; None if it is empty. Raises FileNotFoundError, or ConfigError with the file and the line."""
    return parse_yaml(_read(path), str(path))


def parse_yaml(text: str, name: str) -> Any:
    """What a text says; `name` is for messages. Raises ConfigError."""
    try:
        return yaml.load(text, _PlainLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        _refuse(name, mark, " ".join(filter(None, (error.context, error.problem))))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        what = f"the character U+{int(error.character):04X} cannot stand in YAML"
        raise ConfigError([Fault(f"{name}, line {line}", what, _CURE)]) from error
    except yaml.YAMLError as error:
        raise ConfigError([Fault(name, f"is not YAML: {error}", _CURE)]) from error


def _read(path: Path) -> str:
    if path.exists() and not path.is_file():
        raise ConfigError([Fault(str(path), "is not a file")])
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        raise ConfigError([Fault(str(path), f"cannot be read: {error}")]) from error
    if len(data) > MOST_BYTES:
        raise ConfigError([Fault(str(path), f"is larger than {MOST_BYTES // 1024} KiB", "it should be a page or two")])
    return decode(data, str(path))


def decode(data: bytes, name: str) -> str:
    """The text of a file in UTF-8, with or without a byte order mark. Raises ConfigError with the file and the line."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"byte 0x{data[error.start]:02x} is not UTF-8"
        if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
            what = "is in UTF-16"
        raise ConfigError([Fault(f"{name}, line {line}", what, "save it in UTF-8")]) from error


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases, tags, merge keys and repeated keys, and with an end to its depth."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            self._fail(event, f"the alias *{event.anchor} is not read: write out what it stands for")
        tag = getattr(event, "tag", None)
        if tag not in {None, "!"}:
            self._fail(event, f"the tag {tag} is not read")
        if self._depth >= MOST_DEPTH:
            self._fail(event, f"nested more than {MOST_DEPTH} deep")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                self._fail(key_node, "the merge key << is not read")
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                self._fail(key_node, "a key is not text: put it in quotes")
            if key in seen:
                self._fail(key_node, f"the key {key!r} stands twice")
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
        except (ValueError, OverflowError, LookupError):  # such as the 30th of February
            self._fail(node, "is no value that YAML knows: put it in quotes")
        if isinstance(value, int) and abs(value) >= 2**63:  # Python writes no number of more than 4,300 digits
            self._fail(node, "the number is too large")
        return value

    def _fail(self, at: Any, what: str) -> NoReturn:
        raise yaml.MarkedYAMLError(problem=what, problem_mark=at.start_mark)


def _refuse(name: str, mark: yaml.Mark | None, what: str) -> NoReturn:
    where = name if mark is None else f"{name}, line {mark.line + 1}"
    raise ConfigError([Fault(where, f"column {mark.column + 1}: {what}" if mark else what, _CURE)])
