"""The block that names a store and how to reach it, so that a deployment can name the block. Knows no step."""

from __future__ import annotations

from prefect.blocks.core import Block
from prefect_aws import AwsCredentials
from pydantic import ConfigDict, Field, field_validator

from blocks.locations import open_location
from blocks.store import Store
from configs.stores import REGION, BlockLocation, S3Options, checked_endpoint, parse_store_uri


class PublishTarget(Block):
    """
    Where Fieldcheck keeps photos and results: a directory, or a bucket of S3 or of a compatible server.

    Attributes:
        uri: A directory, `file:///dir` or `s3://bucket/prefix`.
        aws_credentials: Credentials for S3; empty uses boto3's own chain.
        endpoint_url: URL of an S3-compatible server; empty for AWS.
        region: Region of the bucket.
        path_style: Whether the bucket stands in the path of the URL.

    Example:
        Load a saved target and write to it:
        ```python
        from blocks.publish_target import PublishTarget

        target = PublishTarget.load("BLOCK_NAME")
        target.get_store().write("hello.txt", b"hello")
        ```
    """

    _block_type_name = "Fieldcheck Publish Target"
    _block_type_slug = "fieldcheck-publish-target"
    _description = "Where Fieldcheck keeps photos and results: a directory, or a bucket of an S3 server."
    _documentation_url = "https://docs.prefect.io/v3/concepts/blocks"  # type: ignore[assignment]

    # A rejected endpoint may carry a password, so validation errors do not repeat the input.
    model_config = ConfigDict(hide_input_in_errors=True)

    uri: str = Field(title="URI", description="A directory, file:///dir or s3://bucket/prefix.")
    aws_credentials: AwsCredentials | None = Field(
        default=None,
        title="AWS Credentials",
        description="Credentials for S3; empty uses boto3's chain (environment, profile, role).",
    )
    endpoint_url: str | None = Field(
        default=None,
        title="Endpoint URL",
        description="URL of an S3-compatible server, http or https; empty for AWS.",
    )
    region: str | None = Field(
        default=None,
        title="Region",
        pattern=REGION,
        description="Region of the bucket; empty takes the credentials' or the environment's.",
    )
    path_style: bool | None = Field(
        default=None,
        title="Path style",
        description="Put the bucket in the path of the URL; empty decides: yes when there is an endpoint.",
    )

    @field_validator("uri")
    @classmethod
    def _check_uri(cls, value: str) -> str:
        if isinstance(parse_store_uri(value), BlockLocation):
            raise ValueError("a publish target names a directory or a bucket, not another block")
        return value

    @field_validator("endpoint_url", "region", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        # A form of the UI sends a text field that was emptied as "".
        return None if value == "" else value

    @field_validator("endpoint_url")
    @classmethod
    def _check_endpoint(cls, value: str | None) -> str | None:
        return None if value is None else checked_endpoint(value)

    def get_store(self, options: S3Options | None = None) -> Store:
        """The store, untouched yet. What the block leaves open, and time limits and attempts, come from `options`.

        Raises ConfigError and StoreUnavailable as `open_location` does.
        """
        location, options = parse_store_uri(self.uri), options or S3Options()
        assert not isinstance(location, BlockLocation), "the validator refuses another block"
        own = {"endpoint_url": self.endpoint_url, "region": self.region, "path_style": self.path_style}
        options = options.model_copy(update={name: value for name, value in own.items() if value is not None})
        return open_location(location, options, self.aws_credentials)
