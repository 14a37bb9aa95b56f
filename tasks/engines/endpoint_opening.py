"""Finds what a server serves before it is asked anything: the model, its length, and whether the URL is its base."""

from __future__ import annotations

import re
from contextlib import closing
from urllib.parse import urlsplit

from configs.parts import EndpointConfig
from configs.proxies import reach_local_servers_directly
from tasks.engines.endpoint_client import EndpointClient, Refusal, TryAgain
from tasks.engines.endpoint_refusals import Server, list_refused, not_the_base, pick_model
from tasks.engines.endpoint_replies import ServedModel
from tasks.engines.endpoint_retry import EndpointRetry
from tasks.engines.silence import Silence

_VERSION = re.compile(r"/v\d+\w*(/|$)")


def find_server(client: EndpointClient, config: EndpointConfig, silence: Silence) -> Server:
    """The server as it is to be asked. Raises EndpointRefused, EngineGivenUp or EngineError."""
    retry = EndpointRetry(client.url, config.deadline_seconds, silence=silence)
    return pick_model(retry.call(lambda: _models(client, config)), config)


def check_endpoint(config: EndpointConfig, api_key: str | None) -> Server:
    """`find_server` alone, for whoever has much to do before the first photo is asked about.

    Raises the same, and ConfigError for a proxy that no client can use.
    """
    reach_local_servers_directly()
    silence = Silence(config.url)
    with closing(EndpointClient(config, api_key)) as client, closing(silence):
        return find_server(client, config, silence)


def _models(client: EndpointClient, config: EndpointConfig) -> list[ServedModel] | None:
    try:
        served = client.models()
    except Refusal as error:
        raise list_refused(error, config) from error
    except TryAgain as error:
        if error.unexpected:  # a web page, perhaps, at the server's root
            _refuse_short_url(client, config)
        raise
    if served is None:
        _refuse_short_url(client, config)
    return served


def _refuse_short_url(client: EndpointClient, config: EndpointConfig) -> None:
    """Raises EndpointRefused if the server has its list under `/v1`, and the URL leaves that out."""
    if _VERSION.search(urlsplit(client.url).path):
        return
    try:
        served = client.models("v1/")
    except (Refusal, TryAgain):
        return
    if served is not None:
        raise not_the_base(config, f"{client.url}/v1")
