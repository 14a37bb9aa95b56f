"""Opens the store at a parsed location: a directory, or a bucket; only for the latter come Prefect and boto3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.local_store import LocalStore
from blocks.store import Store
from configs.proxies import check_s3_proxy, reach_local_servers_directly
from configs.stores import LocalLocation, S3Location, S3Options

if TYPE_CHECKING:
    from prefect_aws import AwsCredentials


def open_location(
    location: LocalLocation | S3Location, options: S3Options, credentials: AwsCredentials | None = None
) -> Store:
    """The store there, untouched yet. Credentials are those given, else of the block that the options name, else of
    boto3's chain; they and the options count for S3.

    Raises ConfigError for a proxy or a credentials block that cannot be used, and StoreUnavailable when the Prefect API
    that keeps the block does not answer.
    """
    if isinstance(location, LocalLocation):
        return LocalStore(location.path, make=False)
    from prefect_aws import AwsCredentials

    from blocks.loading import load_block
    from blocks.s3_client import endpoint_of
    from blocks.s3_store import S3Store

    if credentials is None and options.credentials_block is not None:
        credentials = load_block(AwsCredentials, options.credentials_block)
    reach_local_servers_directly()
    check_s3_proxy(endpoint_of(credentials or AwsCredentials(), options))
    return S3Store(location, options, credentials)
