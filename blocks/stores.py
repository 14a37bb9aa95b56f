"""Opens the store that a URI names. Knows the kinds of stores; imports Prefect and boto3 only when they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.local_store import LocalStore
from blocks.store import Store
from configs.errors import ConfigError, Fault
from configs.proxies import check_s3_proxy, reach_local_servers_directly
from configs.stores import LocalLocation, S3Location, S3Options, parse_store_uri

if TYPE_CHECKING:
    from prefect_aws import AwsCredentials


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
    if isinstance(location, LocalLocation):
        return LocalStore(location.path, make=False)
    if isinstance(location, S3Location):
        return open_s3_store(location, options or S3Options())
    from blocks.loading import load_block
    from blocks.publish_target import PublishTarget

    return load_block(PublishTarget, location.name).get_store(options)


def open_s3_store(location: S3Location, options: S3Options, credentials: AwsCredentials | None = None) -> Store:
    """The store in a bucket; credentials are those given, else of the block that the options name, else boto3's chain.

    Raises as open_store does.
    """
    from prefect_aws import AwsCredentials

    from blocks.loading import load_block
    from blocks.s3_client import endpoint_of
    from blocks.s3_store import S3Store

    if credentials is None and options.credentials_block is not None:
        credentials = load_block(AwsCredentials, options.credentials_block)
    reach_local_servers_directly()
    check_s3_proxy(endpoint_of(credentials or AwsCredentials(), options))
    return S3Store(location, options, credentials)
