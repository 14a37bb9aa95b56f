"""Prefect's view of engines: a server is looked at before any photo is."""

from __future__ import annotations

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks.api_key import api_key
from configs.parts import EndpointConfig
from tasks.engines.endpoint_opening import check_endpoint
from tasks.records.retry import RETRIED


@task(name="check-server", cache_policy=NO_CACHE, **RETRIED)
def check_server(config: EndpointConfig) -> None:
    """Ask an endpoint's server what it serves.

    Raises EndpointRefused if that is not what is asked of it (another model, a URL without `/v1`, a key that it
    refuses), EngineGivenUp or EngineError if it gives no answer.
    """
    server = check_endpoint(config, api_key(config))
    length = f"{server.max_model_len} tokens at most" if server.max_model_len else "no word of its longest request"
    base = f", an adapter on {server.model.parent}" if server.model.parent else ""
    owner = server.owner or "a server that does not say what it is"
    get_run_logger().info("%s serves %s%s (%s; %s)", config.url, server.model.id, base, owner, length)
