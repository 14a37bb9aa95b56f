"""Which model of a server is asked, why a server will not, and what to do about it. Knows no connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from configs.parts import EndpointConfig
from tasks.engines.endpoint_client import Refusal
from tasks.engines.endpoint_replies import ServedModel
from tasks.records.errors import EndpointRefused

if TYPE_CHECKING:
    from tasks.engines.preparing import Ready


@dataclass(frozen=True, slots=True)
class Server:
    """A server as it is asked: the model that was picked, and all that it serves; None where it has no list."""

    config: EndpointConfig
    model: ServedModel
    served: tuple[ServedModel, ...] | None

    @property
    def max_model_len(self) -> int | None:
        """Most tokens of a request: the model's own, or for an adapter those of the base that it is on."""
        return next((model.max_model_len for model in self._line() if model.max_model_len is not None), None)

    @property
    def owner(self) -> str:
        """Who made the server, as it says itself; empty if it does not."""
        return next((model.owned_by for model in self._line() if model.owned_by), "")

    def _line(self) -> list[ServedModel]:
        """The model, its parent, and so on."""
        line = [self.model]
        for _ in self.served or ():
            parent = line[-1].parent
            above = [one for one in self.served or () if parent and parent in (one.id, one.root) and one not in line]
            if not above:
                break
            line.append(above[0])
        return line


def pick_model(served: Sequence[ServedModel] | None, config: EndpointConfig) -> Server:
    """The model to ask for; `served` is None where the server has no list.

    Raises EndpointRefused if the named model is not served, or if none is named and there is not just one.
    """
    if served is None and config.model is not None:
        return Server(config, ServedModel(id=config.model), None)
    found = [model for model in served or () if config.model in (None, model.id)]
    if len(found) == 1:
        return Server(config, found[0], tuple(served or ()))
    wanted = f"does not serve {config.model}" if config.model else "does not serve one model alone"
    raise EndpointRefused(f"{config.url} {wanted}; {_offers(served)}; set engine.endpoint.model")


def list_refused(error: Refusal, config: EndpointConfig) -> EndpointRefused:
    """The error for a model list that the server refuses."""
    cause = _of_access(error, config)
    return cause or EndpointRefused(
        f"{config.url} gives no list of its models ({error}); check the URL, it ends in /v1"
    )


def not_the_base(config: EndpointConfig, better: str) -> EndpointRefused:
    """The error for a URL that is short of `/v1`."""
    return EndpointRefused(
        f"{config.url} has no list of models, and {better} has one: give --endpoint {better} (engine.endpoint.url)"
    )


def chat_refused(error: Refusal, server: Server, ready: Ready) -> EndpointRefused:
    """The error for a question that the server refuses, as it would any other."""
    cause = _of_access(error, server.config)
    if cause is not None:
        return cause
    url = server.config.url
    if error.status == 404:
        return EndpointRefused(f"{url} does not know the model {server.model.id} ({error}); {_offers(server.served)}")
    return EndpointRefused(f"{url} answers no request ({error}); look at the account, the model's name and the URL")


def refused_in_a_row(server: Server, ready: Ready, words: str) -> EndpointRefused:
    """The error for the last of several photos in a row that have no answer for one and the same cause."""
    return EndpointRefused(
        f"{server.config.url} has no answer for three different photos in a row, each time alike: that is the "
        f"server's fault, not the photos'. The last: {words}; a request of about {ready.tokens} tokens, "
        f"{ready.visual_tokens} of them visual, with {ready.request.decoding.max_new_tokens} new ones. If that "
        "is too long for it, set model.max_model_len to what it takes, or lower model.max_pixels or "
        "generation.max_new_tokens; else look at the server's log and its content filter"
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
