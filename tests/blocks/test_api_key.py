"""Where an endpoint's API key comes from."""

from __future__ import annotations

import subprocess
import sys

import pytest

from blocks.api_key import api_key
from configs.errors import ConfigError
from configs.parts import EndpointConfig


def test_the_key_of_the_configuration_goes_first() -> None:
    assert api_key(EndpointConfig()) is None
    config = EndpointConfig.model_validate({"api_key": "sk-1", "api_key_block": "not-asked"})
    assert api_key(config) == "sk-1"
    assert "sk-1" not in repr(config)


def test_a_key_without_a_block_needs_no_prefect() -> None:
    code = (
        "import sys; from blocks.api_key import api_key; from configs.parts import EndpointConfig; "
        "api_key(EndpointConfig()); print('prefect' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.usefixtures("prefect_harness")
def test_a_saved_secret_is_read() -> None:
    from prefect.blocks.system import Secret

    Secret(value="sk-2").save("endpoint-key", overwrite=True)
    assert api_key(EndpointConfig(api_key_block="endpoint-key")) == "sk-2"
    Secret(value={"a": 1}).save("no-text", overwrite=True)
    with pytest.raises(ConfigError, match=r"secret/no-text.*holds no text"):
        api_key(EndpointConfig(api_key_block="no-text"))
    with pytest.raises(ConfigError, match=r"block secret/absent.*is not saved"):
        api_key(EndpointConfig(api_key_block="absent"))
