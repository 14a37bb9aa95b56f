"""Proxies in the environment: servers on this machine are reached without one. Knows no client.

httpx, botocore, websockets and urllib all read the same variables, each a little differently.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from configs.errors import ConfigError, Fault

LOCAL = ("127.0.0.1", "localhost", "::1")
_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_USABLE = ("http", "https", "socks5", "socks5h")


def reach_local_servers_directly(environ: MutableMapping[str, str] | None = None) -> None:
    """Have every library of this process, and its children, reach this machine's own servers without a proxy.

    Raises ConfigError for a proxy that no client could use: they refuse it even for a server that is reached without.
    """
    env = os.environ if environ is None else environ
    told = [name for name in ("no_proxy", "NO_PROXY") if name in env]
    for name in told or ["NO_PROXY"]:
        hosts = [host.strip() for host in env.get(name, "").split(",") if host.strip()]
        if "*" not in hosts:
            env[name] = ",".join([*hosts, *(host for host in LOCAL if host not in hosts)])
    faults = [fault for name in _VARIABLES for one in (name, name.lower()) if (fault := _fault(one, env.get(one, "")))]
    if faults:
        raise ConfigError(faults)


def check_s3_proxy(endpoint: str | None) -> None:
    """Raise ConfigError when an S3 server would be reached through a SOCKS proxy, which botocore does not speak.

    `endpoint` is the server's URL; None is AWS itself.
    """
    url = urlsplit(endpoint or "https://s3.amazonaws.com")
    proxy = getproxies().get(url.scheme, "")
    if proxy.startswith("socks") and not proxy_bypass(url.hostname or ""):
        name = f"{url.scheme.upper()}_PROXY"
        cure = f"unset {name}, write http://HOST:PORT, or add {url.hostname} to NO_PROXY"
        raise ConfigError([Fault(name, "an S3 server cannot be reached through a SOCKS proxy", cure)])


def _fault(name: str, value: str) -> Fault | None:
    scheme = value.partition("://")[0].lower() if "://" in value else "http"
    if not value or scheme in _USABLE:
        return None
    host = urlsplit(value).hostname or ""
    cure = f"unset {name}, or write http://HOST:PORT or socks5://HOST:PORT"
    return Fault(name, f"a proxy of the kind {scheme}:// ({host}) cannot be used", cure)
