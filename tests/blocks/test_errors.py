"""Store errors: what can be tried again, and that they survive being sent between processes."""

from __future__ import annotations

import copy
import pickle

import pytest

from blocks.errors import (
    BadKey,
    ObjectCorrupt,
    ObjectExists,
    ObjectMissing,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreGivenUp,
    StoreUnavailable,
)
from configs.errors import FieldcheckError

LEAVES = [StoreUnavailable, StoreGivenUp, StoreDenied, StoreFull, ObjectMissing, ObjectExists, ObjectCorrupt, BadKey]


@pytest.mark.parametrize("leaf", LEAVES)
@pytest.mark.parametrize("message", ["no such object", "with [brackets] [s3://b/k]", "", "多行\n文字"])
def test_pickle_round_trip(leaf: type[StoreError], message: str) -> None:
    error = leaf(message, uri="s3://bucket/前缀/a b.txt")
    for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(copied) is leaf
        assert str(copied) == str(error)
        assert copied.uri == error.uri
        assert copied.retryable == error.retryable


def test_every_leaf_is_here() -> None:
    assert set(StoreError.__subclasses__()) == set(LEAVES)
    assert all(issubclass(leaf, FieldcheckError) for leaf in LEAVES)


def test_only_an_unavailable_store_is_worth_another_try() -> None:
    assert [leaf for leaf in LEAVES if leaf.retryable] == [StoreUnavailable]
