"""The options of a connection, checked."""

# The types of arguments are checked at run time too.
# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import cast

import msgspec
from msgspec.structs import force_setattr

from rxfeed.core import arguments
from rxfeed.errors import ConfigError
from rxfeed.secrets import Secret, secret
from rxfeed.transport.proxy import parsed

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BREAKS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SET_BY_TRANSPORT = re.compile(
    r"upgrade|connection|content-length|transfer-encoding|sec-websocket-(?!protocol$).*", re.IGNORECASE
)


class TransportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a connection; sizes in bytes, times in seconds.

    - *max_size*: the largest message; a larger one is skipped and reported as malformed.
    - *connect_timeout*: for all steps of an attempt together, from resolving the host to the response to the handshake.
      *send_timeout*: for one send.
    - *proxy*: `http://user:password@host:port`, or a `socks4`, `socks4a`, `socks5` or `socks5h` URL. `None`: the proxy
      of the environment (`https_proxy`, `http_proxy`, `no_proxy`). `""`: connect directly.
    - *ssl_context*: replaces the default, which verifies the certificate and the host's name and requires TLS 1.2.
    - *headers*: additional headers of the handshake.

    *proxy* and the values of *headers* are kept as `Secret`s. Raises `ConfigError` for invalid options.
    """

    max_size: int = 64 * 1024 * 1024
    connect_timeout: float = 10.0
    send_timeout: float = 5.0
    ssl_context: ssl.SSLContext | None = None
    proxy: str | Secret | None = None
    headers: Mapping[str, str | Secret] = {}

    def __post_init__(self) -> None:
        if isinstance(self.proxy, str):
            force_setattr(self, "proxy", Secret(self.proxy))
        refused, headers = _checked(self.headers)
        force_setattr(self, "headers", headers)
        if refused:
            raise ConfigError(f"headers: {refused}")
        arguments.positive_integer("max_size", self.max_size)
        for name in ("connect_timeout", "send_timeout"):
            force_setattr(self, name, arguments.timeout(name, getattr(self, name)))
        if not isinstance(self.ssl_context, ssl.SSLContext | None):
            given = type(self.ssl_context).__name__
            raise ConfigError(f"ssl_context: a {given} is not an SSLContext, such as of ssl.create_default_context()")
        if self.proxy is not None and not isinstance(self.proxy, Secret):
            raise ConfigError(f"proxy: a {type(self.proxy).__name__} is not a proxy's URL")
        if self.proxy:
            parsed(self.proxy, "proxy")


def _checked(headers: object) -> tuple[str, dict[str, Secret]]:
    """The fault of *headers*, or an empty text, and the valid headers. The text has no values, which may be secret."""
    if not isinstance(headers, Mapping):
        return f"a {type(headers).__name__} is not a mapping of names to texts", {}
    kept: dict[str, Secret] = {}
    given = cast("Mapping[str, str | Secret]", headers)  # as the next lines check
    for name in given:
        reason = _fault(name, given[name])
        if reason:
            return reason, {}
        kept[name] = secret(given[name])
    return "", kept


def _fault(name: object, value: object) -> str:
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        return f"{name!r} is not a header's name"
    if _SET_BY_TRANSPORT.fullmatch(name):
        return f"{name} is set by the transport"
    if not isinstance(value, str | Secret):
        return f"the value of {name} is a {type(value).__name__}, not a text"
    text = value.reveal() if isinstance(value, Secret) else value
    if _BREAKS.search(text):
        return f"the value of {name} has a line break or another control character"
    if not text.isascii() and not _encodable(text):
        return f"the value of {name} cannot be encoded"
    return ""


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
