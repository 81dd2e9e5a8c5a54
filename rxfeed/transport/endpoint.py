"""The server and the resource of a URL."""

from __future__ import annotations

import base64
from urllib.parse import quote, unquote, urlsplit

import msgspec

from rxfeed.errors import ConfigError
from rxfeed.secrets import Secret, check_host, secret, shown_url

_PORTS = {"ws": 80, "wss": 443, "http": 80, "https": 443}


class Endpoint(msgspec.Struct, frozen=True):
    """A server and a resource on it; parts of the URL that may be secret are `Secret`s."""

    secure: bool
    host: str
    port: int
    resource: Secret
    """Path and query, as in a request line."""
    authorization: Secret | None
    """The value of an Authorization header, if the URL has a user."""
    shown: str
    """The URL without user, password and query."""

    @classmethod
    def of(cls, url: str | Secret, schemes: tuple[str, ...] = ("ws", "wss"), argument: str = "url") -> Endpoint:
        """The endpoint of *url*; raises `ConfigError`, with the name of the *argument*, for an invalid URL.

        >>> from rxfeed.transport import Endpoint
        >>> Endpoint.of("wss://me:hidden@example.org/feed?token=hidden")  # doctest: +ELLIPSIS
        Endpoint(secure=True, host='example.org', port=443, resource=Secret('[redacted]'), ...
        """
        url = secret(url)
        shown = shown_url(url.reveal())
        scheme, host, port = _place(url)
        if scheme not in schemes or not host:
            names = " or ".join(f"{each}://" for each in schemes)
            raise ConfigError(f"{argument}: {shown} is not a URL of {names} with a host")
        check_host(argument, host)
        return cls(
            scheme in ("wss", "https"),
            host,
            _PORTS[scheme] if port is None else port,
            _resource(url),
            _authorization(url),
            shown,
        )

    def below(self, path: str, query: Secret) -> Endpoint:
        """The endpoint of *path* below the path of this one; *query* comes after the query of this one.

        >>> from rxfeed.secrets import Secret
        >>> from rxfeed.transport import Endpoint
        >>> Endpoint.of("https://example.org/api", ("https",)).below("/time", Secret("")).shown
        'https://example.org/api/time'
        """
        place, _, asked = path.partition("?")
        queries = Secret("&".join(filter(None, (self.query.reveal(), asked, query.reveal()))))
        above = Secret(self.resource.reveal().partition("?")[0].rstrip("/"))
        mark = "?" if queries else ""
        return Endpoint(
            self.secure,
            self.host,
            self.port,
            Secret(_escaped(f"{above.reveal()}{place}" or "/") + _escaped(f"{mark}{queries.reveal()}")),
            self.authorization,
            f"{self.shown.rstrip('/')}{place}",
        )

    @property
    def query(self) -> Secret:
        """The query of the resource, which may have a token."""
        return Secret(self.resource.reveal().partition("?")[2])

    @property
    def host_header(self) -> str:
        """The value of a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


def _place(url: Secret) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of *url*; no host if *url* cannot be parsed."""
    try:
        parts = urlsplit(url.reveal())
        return parts.scheme, parts.hostname, parts.port
    except ValueError:
        return "", None, None


def _resource(url: Secret) -> Secret:
    parts = urlsplit(url.reveal())
    return Secret(_escaped((parts.path or "/") + (f"?{parts.query}" if parts.query else "")))


def _escaped(text: str) -> str:
    """*text* with the characters that are invalid in a request line escaped; escaped ones are not escaped again."""
    return quote(text, safe="!$%&'()*+,/:;=?@[]~")


def _authorization(url: Secret) -> Secret | None:
    parts = urlsplit(url.reveal())
    return basic(Secret(unquote(parts.username)), Secret(unquote(parts.password or ""))) if parts.username else None


def basic(user: Secret, password: Secret) -> Secret:
    """The value of a header with *user* and *password* in the Basic scheme."""
    pair = Secret(f"{user.reveal()}:{password.reveal()}")
    return Secret(f"Basic {base64.b64encode(pair.reveal().encode(errors='replace')).decode()}")
