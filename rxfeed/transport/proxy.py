"""Finds the proxy for a host, and checks its URL."""

from __future__ import annotations

import os
import sys
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from rxfeed.errors import ConfigError
from rxfeed.secrets import Secret, check_host, is_loopback, secret

_KINDS = ("http", "socks4", "socks4a", "socks5", "socks5h")
_REMEDIES = {
    "https": "write http:// if the proxy takes CONNECT without TLS, as most do",
    "socks": "write socks5://, or socks5h:// if the proxy is to resolve the host",
}


class Proxy(msgspec.Struct, frozen=True):
    """A proxy, and how to connect through it."""

    kind: str
    host: str
    port: int
    user: Secret | None
    password: Secret
    shown: str
    """Its URL without user and password."""


def proxy_for(host: str, given: str | Secret | None, *, secure: bool) -> Proxy | None:
    """The proxy between this machine and *host*; `None` for a direct connection.

    *given*: a proxy's URL, `""` for no proxy, or `None` for the proxy of the environment. Raises `ConfigError`, which
    names the source of the proxy's URL.
    """
    if given is not None:
        return parsed(given, "proxy") if given else None
    if is_loopback(host) or not _has_settings():
        return None
    import urllib.request  # it loads an HTTP client and more, which only a connection with a proxy needs

    if urllib.request.proxy_bypass(host):
        return None
    scheme = "https" if secure else "http"
    url = Secret(urllib.request.getproxies().get(scheme) or "")
    return parsed(url, f"proxy (from {_source(scheme)})") if url else None


def _has_settings() -> bool:
    """False if there is certainly no proxy: none in the environment, on a system without settings of its own."""
    return sys.platform in ("darwin", "win32") or any(name.lower().endswith("_proxy") for name in os.environ)


def _source(scheme: str) -> str:
    name = f"{scheme}_proxy"
    names = [each for each in (name, name.upper()) if os.environ.get(each)]
    return f"the environment variable {names[0]}" if names else "the system's settings"


def parsed(url: str | Secret, source: str) -> Proxy:
    """The proxy at *url*; a `ConfigError` names *source*, without the URL, which may have a password."""
    url = secret(url)
    kind, host, port = _place(url)
    shown = f"{kind}://{host or ''}" if kind.isidentifier() else "the text"
    if kind not in _KINDS or not host:
        what = f"{kind}:// proxies are not supported" if host and kind else f"{shown} is not a proxy's URL"
        remedy = _REMEDIES.get(kind, "")
        direct = 'give proxy="" to connect directly'
        raise ConfigError(
            f"{source}: {what}: it needs a host and a port after one of {', '.join(each + '://' for each in _KINDS)}; "
            + (f"{remedy}, or {direct}" if remedy else direct)
        )
    check_host(source, host)
    port = port or (80 if kind == "http" else 1080)
    return Proxy(kind, host, port, _user(url), _password(url), f"{kind}://{host}:{port}")


def _split(url: Secret) -> SplitResult:
    return urlsplit(url.reveal() if "://" in url.reveal() else f"http://{url.reveal()}")


def _place(url: Secret) -> tuple[str, str | None, int | None]:
    """Kind, host and port of *url*; no host if *url* cannot be parsed."""
    try:
        return _split(url).scheme, _split(url).hostname, _split(url).port
    except ValueError:
        return "", None, None


def _user(url: Secret) -> Secret | None:
    return Secret(unquote(_split(url).username or "")) if _split(url).username else None


def _password(url: Secret) -> Secret:
    return Secret(unquote(_split(url).password or ""))
