"""Checks object keys before a store uses them. Knows the rule only through `configs.stores`, and no store."""

from __future__ import annotations

from blocks.errors import BadKey
from configs.stores import TEMPORARY_PREFIX, key_fault

__all__ = ["TEMPORARY_PREFIX", "check_key", "check_prefix"]


def check_key(key: str, uri: str) -> str:
    """`key` itself. Raises BadKey, naming the store at `uri`, when it is not a key that we write."""
    fault = key_fault(key)
    if fault is not None:
        raise BadKey(f"the key {_shown(key)} cannot be used: {fault}", uri=uri)
    return key


def check_prefix(prefix: str, uri: str) -> str:
    """A listing prefix without its trailing slash; empty stands for the whole store. Raises BadKey."""
    bare = prefix.removesuffix("/")
    if not prefix:
        return ""
    return check_key(bare, uri)


def _shown(key: str) -> str:
    # repr also escapes control characters and lone surrogates, so that a log can always hold the message.
    shown = repr(key)
    return shown if len(shown) <= 120 else f"{shown[:100]}... ({len(key)} characters)"
