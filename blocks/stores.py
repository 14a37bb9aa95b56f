"""Opens the store that a URI names. Knows the kinds of stores; imports Prefect and boto3 only when they are needed."""

from __future__ import annotations

from blocks.locations import open_location
from blocks.store import Store
from configs.errors import ConfigError, Fault
from configs.stores import BlockLocation, S3Options, parse_store_uri


def open_store(uri: str, options: S3Options | None = None) -> Store:
    """The store at a local directory, `file:///dir`, `s3://bucket/prefix`, or in the saved block `block://name`.

    Nothing is touched yet, except that a named block is loaded: call the store's `check`, which with write=True makes
    a directory too; no write does. The options count for S3, and what a publish-target block sets goes before them.
    Raises ConfigError for a URI or a block that cannot be used, and StoreUnavailable when the Prefect API that keeps
    the block does not answer.
    """
    try:
        location = parse_store_uri(uri)
    except ValueError as error:
        raise ConfigError([Fault("store URI", str(error))]) from error
    if not isinstance(location, BlockLocation):
        return open_location(location, options or S3Options())
    from blocks.loading import load_block
    from blocks.publish_target import PublishTarget

    return load_block(PublishTarget, location.name).get_store(options)
