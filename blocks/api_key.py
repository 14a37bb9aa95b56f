"""The API key of an OpenAI-compatible server: from the configuration, or from a saved Prefect Secret block.

Knows no server. The key is for the caller alone: it is in no message.
"""

from __future__ import annotations

from configs.errors import ConfigError, Fault
from configs.parts import EndpointConfig


def api_key(config: EndpointConfig) -> str | None:
    """The key, or None where no key is configured; one that is given goes before a block's.

    Raises ConfigError when the named block is not saved or holds no text, StoreUnavailable when the Prefect API fails.
    """
    if config.api_key is not None:
        return config.api_key.get_secret_value()
    if config.api_key_block is None:
        return None
    # Prefect is loaded only where its block is asked for.
    from prefect.blocks.system import Secret

    from blocks.loading import load_block

    value = load_block(Secret, config.api_key_block).get()
    if not isinstance(value, str) or not value:
        where = f"block secret/{config.api_key_block}"
        raise ConfigError([Fault(where, "holds no text", "save the API key in it, as text")])
    return value
