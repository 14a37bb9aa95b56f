"""The S3 client's settings: from the options first, then the credentials block, then the environment."""

from __future__ import annotations

from typing import Any

import pytest
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.s3_client import endpoint_of, fitted, open_client
from configs.stores import S3Options

ENDPOINT = "http://127.0.0.1:9000"


def credentials(**parameters: Any) -> AwsCredentials:
    return AwsCredentials(
        aws_access_key_id="key",
        aws_secret_access_key=SecretStr("hidden"),
        region_name="eu-west-1",
        aws_client_parameters=parameters,
    )


@pytest.fixture(autouse=True)
def no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)


def test_all_settings_arrive() -> None:
    options = S3Options(endpoint_url=ENDPOINT, region="cn-north-1", connect_timeout=1.5, read_timeout=7, max_attempts=3)
    client = open_client(credentials(), options)
    config: Any = client.meta.config
    assert client.meta.endpoint_url == ENDPOINT
    assert client.meta.region_name == "cn-north-1"
    assert (config.connect_timeout, config.read_timeout) == (1.5, 7)
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}
    assert config.s3 == {"addressing_style": "path"}


def test_the_block_keeps_what_the_options_leave_open() -> None:
    block = credentials(endpoint_url=ENDPOINT, verify=False, config={"s3": {"addressing_style": "virtual"}})
    found = fitted(block, S3Options())
    assert found.region_name == "eu-west-1"
    parameters = found.aws_client_parameters
    assert parameters.endpoint_url == ENDPOINT
    assert parameters.verify is False
    assert parameters.config is not None
    assert parameters.config["s3"] == {"addressing_style": "virtual"}
    assert block.aws_client_parameters.config == {"s3": {"addressing_style": "virtual"}}


@pytest.mark.parametrize(
    ("endpoint", "path_style", "style"),
    [(None, None, None), (ENDPOINT, None, "path"), (ENDPOINT, False, "virtual"), (None, True, "path")],
)
def test_path_style(endpoint: str | None, path_style: bool | None, style: str | None) -> None:
    config = fitted(credentials(), S3Options(endpoint_url=endpoint, path_style=path_style)).aws_client_parameters.config
    assert config is not None
    assert config["s3"].get("addressing_style") == style


def test_an_endpoint_of_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", ENDPOINT)
    assert endpoint_of(credentials(), S3Options()) == ENDPOINT
    config = fitted(credentials(), S3Options()).aws_client_parameters.config
    assert config is not None
    assert config["s3"] == {"addressing_style": "path"}


def test_the_same_settings_share_a_client() -> None:
    assert open_client(credentials(), S3Options()) is open_client(credentials(), S3Options())
    assert open_client(credentials(), S3Options()) is not open_client(credentials(), S3Options(max_attempts=3))
