"""Why a server will not, and what to do about it. Knows no connection and no photo's content."""

from __future__ import annotations

from collections.abc import Sequence

from configs.parts import EndpointConfig
from tasks.engines.endpoint_client import Refusal
from tasks.engines.endpoint_replies import ServedModel
from tasks.engines.preparing import Ready
from tasks.records.errors import EndpointRefused


def pick_model(served: Sequence[ServedModel] | None, config: EndpointConfig) -> ServedModel:
    """The model to ask for; `served` is None where the server has no list.

    Raises EndpointRefused if the named model is not served, or if none is named and there is not just one.
    """
    if served is None and config.model is not None:
        return ServedModel(id=config.model)
    found = [model for model in served or () if config.model in (None, model.id)]
    if len(found) == 1:
        return found[0]
    wanted = f"does not serve {config.model}" if config.model else "does not serve one model alone"
    raise EndpointRefused(f"{config.url} {wanted}; {_offers(served)}; set engine.endpoint.model")


def list_refused(error: Refusal, config: EndpointConfig) -> EndpointRefused:
    """The error for a model list that the server refuses."""
    cause = _of_access(error, config)
    return cause or EndpointRefused(
        f"{config.url} gives no list of its models ({error}); check the URL, it ends in /v1"
    )


def chat_refused(
    error: Refusal, config: EndpointConfig, model: ServedModel, served: Sequence[ServedModel] | None, ready: Ready
) -> EndpointRefused:
    """The error for a question that the server refuses."""
    cause = _of_access(error, config)
    if cause is not None:
        return cause
    if error.status == 404:
        return EndpointRefused(f"{config.url} does not know the model {model.id} ({error}); {_offers(served)}")
    return EndpointRefused(
        f"{config.url} refuses a request of about {ready.tokens} tokens, {ready.shown.visual_tokens} of them visual, "
        f"with {ready.request.decoding.max_new_tokens} new ones ({error}); if that is too long for it, set "
        "model.max_model_len to what it takes, or lower model.max_pixels or generation.max_new_tokens"
    )


def _of_access(error: Refusal, config: EndpointConfig) -> EndpointRefused | None:
    if error.status in (401, 403):
        return EndpointRefused(f"{config.url} refuses the API key, which comes from {_key_source(config)} ({error})")
    if 300 <= error.status < 400:
        return EndpointRefused(f"{config.url} sends requests elsewhere ({error}); give the URL that it sends them to")
    return None


def _offers(served: Sequence[ServedModel] | None) -> str:
    if served is None:
        return "it has no list of its models"
    return f"it serves {', '.join(model.id for model in served) or 'none'}"


def _key_source(config: EndpointConfig) -> str:
    if config.api_key is not None:
        return "engine.endpoint.api_key"
    if config.api_key_block is not None:
        return f"the Secret block {config.api_key_block}"
    return "nowhere: set engine.endpoint.api_key or engine.endpoint.api_key_block"
