"""Proxies in the environment: every library reaches this machine's own servers without one."""

from __future__ import annotations

import urllib.request

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.stores import open_store
from configs.errors import ConfigError
from configs.proxies import LOCAL, check_s3_proxy, reach_local_servers_directly
from configs.stores import S3Options


@pytest.mark.parametrize(
    "before", [{}, {"NO_PROXY": "corp"}, {"no_proxy": "corp"}, {"NO_PROXY": "a", "no_proxy": "b,localhost"}]
)
def test_local_servers_are_reached_directly_and_nothing_else_changes(before: dict[str, str]) -> None:
    env = {"HTTP_PROXY": "http://proxy:3128", **before}
    reach_local_servers_directly(env)
    told = [env[name].split(",") for name in ("NO_PROXY", "no_proxy") if name in env]
    assert told
    assert all(set(LOCAL) <= set(hosts) for hosts in told)
    assert {name for name in env if name.lower() == "no_proxy"} == (set(before) or {"NO_PROXY"})
    for name, hosts in before.items():
        assert env[name].startswith(hosts)


@given(st.dictionaries(st.sampled_from(["NO_PROXY", "no_proxy"]), st.text("abc.,* 127", max_size=12)))
def test_saying_it_twice_is_saying_it_once(env: dict[str, str]) -> None:
    reach_local_servers_directly(env)
    once = dict(env)
    reach_local_servers_directly(env)
    assert env == once


@pytest.mark.parametrize("url", ["http://127.0.0.1:4200/api", "http://localhost:8000/v1"])
def test_httpx_and_urllib_take_no_proxy_to_this_machine(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    reach_local_servers_directly()
    with httpx.Client() as client:
        assert client._transport_for_url(httpx.URL(url)) is client._transport
        assert client._transport_for_url(httpx.URL("http://elsewhere/")) is not client._transport
    assert urllib.request.proxy_bypass(httpx.URL(url).host)


@pytest.mark.parametrize("name", ["ALL_PROXY", "all_proxy", "HTTP_PROXY", "https_proxy"])
@pytest.mark.parametrize("value", ["socks://127.0.0.1:1080/", "socks4://user:secret@127.0.0.1:1080", "ftp://x"])
def test_a_proxy_that_no_client_takes_is_a_fault_with_its_cure(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: a proxy of the kind .*unset {name}") as caught:
        reach_local_servers_directly({name: value})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["", "proxy:3128", "http://proxy", "https://proxy:1", "socks5://p:1", "socks5h://p:1"]
)
def test_other_proxies_are_left_to_the_clients(value: str) -> None:
    env = {"ALL_PROXY": value}
    reach_local_servers_directly(env)
    assert env["ALL_PROXY"] == value


def test_s3_through_a_socks_proxy_is_a_fault_and_s3_on_this_machine_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    reach_local_servers_directly()
    options = S3Options(endpoint_url="http://minio.corp:9000", region="us-east-1")
    with pytest.raises(ConfigError, match=r"HTTP_PROXY: an S3 server cannot.*add minio\.corp to NO_PROXY"):
        open_store("s3://bucket/x", options)
    check_s3_proxy("http://127.0.0.1:9000")
    check_s3_proxy(None)  # by HTTPS, whose proxy is none of SOCKS
