"""Errors of the stores. Knows no step; botocore's and the operating system's errors are translated into these."""

from __future__ import annotations

from typing import ClassVar

from configs.errors import FieldcheckError


class StoreError(FieldcheckError):
    """Something went wrong between us and a store; names the store and the key.

    `message` is the text without the URI, which every error carries at its end.
    """

    def __init__(self, message: str, *, uri: str) -> None:
        self.message = message
        self.uri = uri
        super().__init__(f"{message} [{uri}]")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.uri)


class StoreUnavailable(StoreError):
    """The store timed out, reset the connection, throttled us or answered 5xx: trying again can help."""

    retryable: ClassVar[bool] = True


class StoreGivenUp(StoreError):
    """The store stayed unavailable until the deadline: whoever called must not start over again."""


class StoreDenied(StoreError):
    """The store refused us: wrong credentials, a forbidden key or a read-only directory."""


class StoreFull(StoreError):
    """No space or quota is left where we write."""


class ObjectMissing(StoreError):
    """There is no object (or bucket, or directory) under that name."""


class ObjectExists(StoreError):
    """A write that must not replace anything found that the object is already there."""


class ObjectCorrupt(StoreError):
    """An object's bytes are not the bytes that were promised: its digest or its size differs."""


class BadKey(StoreError):
    """A key is not one that we write: empty part, `..`, control character, or too long."""


def _rebuild(kind: type[StoreError], message: str, uri: str) -> StoreError:
    # Prefect and process pools pickle exceptions; keyword-only arguments need this help.
    return kind(message, uri=uri)
