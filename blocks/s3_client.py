"""Makes the S3 client from credentials and options. Knows no bucket and no key."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from prefect_aws import AwsCredentials

from configs.stores import S3Options

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_POOL = 32  # connections kept open; more threads than that wait for one another


def open_client(credentials: AwsCredentials, options: S3Options) -> S3Client:
    """The client of `credentials` with the settings of `options`; the same one for the same settings.

    Raises what botocore raises, and ValueError for an endpoint of the credentials block that is no URL.
    """
    client: S3Client = fitted(credentials, options).get_s3_client()
    client.meta.events.register("before-parse.s3.*", _give_errors_a_body, unique_id="fieldcheck-error-body")
    # After botocore's own handler, which is the last one under this name and asks for checksums everywhere.
    client.meta.events.register_last("before-parameter-build", _trust_parts, unique_id="fieldcheck-range-checksum")
    return client


def fitted(credentials: AwsCredentials, options: S3Options) -> AwsCredentials:
    """A copy of `credentials` whose client has the endpoint, region, time limits and retries of `options`.

    What the options leave open stays as the credentials block has it.
    """
    own = credentials.aws_client_parameters
    config: dict[str, Any] = dict(own.config or {})
    endpoint = endpoint_of(credentials, options)
    s3 = dict(config.get("s3") or {})
    if options.path_style is not None:
        s3["addressing_style"] = "path" if options.path_style else "virtual"
    elif endpoint is not None:
        # A bucket in the host name needs wildcard DNS, which few servers of one's own have.
        s3.setdefault("addressing_style", "path")
    config |= {
        "s3": s3,
        "connect_timeout": options.connect_timeout,
        "read_timeout": options.read_timeout,
        "retries": {"mode": "standard", "total_max_attempts": options.max_attempts},
        "max_pool_connections": max(_POOL, int(config.get("max_pool_connections", 0))),
    }
    parameters = own.model_copy(update={"config": config, "endpoint_url": options.endpoint_url or own.endpoint_url})
    return credentials.model_copy(
        update={"aws_client_parameters": parameters, "region_name": options.region or credentials.region_name}
    )


def endpoint_of(credentials: AwsCredentials, options: S3Options) -> str | None:
    """The server's URL from the options, the credentials block or the environment; None is AWS itself."""
    return (
        options.endpoint_url
        or credentials.aws_client_parameters.endpoint_url
        or os.environ.get("AWS_ENDPOINT_URL_S3")
        or os.environ.get("AWS_ENDPOINT_URL")
        or None
    )


def _give_errors_a_body(response_dict: dict[str, Any], **_: object) -> None:
    # An error answer with a checksum header, as Wasabi, Backblaze and rclone send, gets a stream where botocore's
    # parser needs bytes, and ends as an AttributeError (boto/boto3#4754, #4765). The bytes are read by then; without
    # them the parser goes by the status, and retries work.
    if response_dict["status_code"] >= 300 and not isinstance(response_dict["body"], bytes):
        response_dict["body"] = b""


def _trust_parts(params: dict[str, Any], **_: object) -> None:
    # rclone gives the whole object's checksum with a part of it, and botocore would hold it against the part. Whoever
    # puts parts together compares the sum of the whole.
    if "Range" in params:
        params.pop("ChecksumMode", None)
