"""`PublicClient.session`: the part of a `requests.Session` that old scripts use, over the HTTP client of rxfeed."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from typing import Self
from urllib.parse import urlencode, urlsplit

from rxfeed.compat.hosts import rest_server
from rxfeed.compat.types import Attribute, Given, Hook, Json
from rxfeed.errors import ConfigError, RequestRejected
from rxfeed.transport import HttpClient, Response

_GET_ONLY = "only GET requests are supported: accounts and orders are out of scope of rxfeed"


class RestResponse:
    """The part of a `requests.Response` that old scripts use."""

    def __init__(
        self, url: str, status: int, headers: Mapping[str, str], body: bytes, error: RequestRejected | None = None
    ) -> None:
        self._error = error
        self.url = url
        self.status_code = status
        self.headers = _Headers(headers)
        self.content = body

    @property
    def ok(self) -> bool:
        """True for a status below 400."""
        return self.status_code < 400

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode(errors="replace")

    def json(self) -> Json:
        """The parsed body; raises `ValueError`."""
        return json.loads(self.content)

    def raise_for_status(self) -> None:
        """Raise `RequestRejected` for a status from 400 on."""
        if self._error is not None:
            raise self._error


class RestSession:
    """Sends GET requests with *headers*, through *proxies*; a script may put a `requests.Session` in its place."""

    def __init__(self) -> None:
        self.headers: dict[str, Attribute] = {}
        self.proxies: dict[str, str] = {}
        self.auth: Attribute = None
        self.verify: Attribute = True

    def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None = None,
        data: Given = None,
        headers: Mapping[str, str] | None = None,
        auth: Hook | None = None,
        timeout: float | None = None,
        **others: Given,
    ) -> RestResponse:
        """The response of *url*, of any status; raises `ConnectFailed` if there is none."""
        if method.lower() != "get" or data is not None or others:
            also = "".join(f", {name}" for name in others)
            raise ConfigError(f"session: {method.upper()} {urlsplit(url).path}{also}: {_GET_ONLY}")
        given = {name: value for name, value in (params or {}).items() if value is not None}
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        signed = auth or self.auth
        sent = {**self.headers, **(headers or {})} | ({} if signed is None else _signature(signed, path, given))
        client = self.__client(rest_server(url), timeout or 30.0)
        try:
            found: Response | RequestRejected = client.get(path or "/", _texts(given), sent or None)
        except RequestRejected as error:
            return RestResponse(url, error.status, error.headers, error.body, error)
        return RestResponse(url, found.status, found.headers, found.body)

    def get(self, url: str, **given: Attribute) -> RestResponse:
        """The response of *url*."""
        return self.request("get", url, **given)

    def close(self) -> None:
        """Nothing is open between two requests."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Attribute:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"session.{name}: PublicClient.session has headers, proxies, verify, auth, get, request and close: "
            "for anything else set session = requests.Session()"
        )

    def __client(self, base: str, timeout: float) -> HttpClient:
        proxy = self.proxies.get("https") or self.proxies.get("http") or self.proxies.get("all")
        key = (base, timeout, proxy, self.verify)
        made = self.__dict__.get("_RestSession__made")
        if made is None or made[0] != key:
            made = (key, HttpClient(base, timeout=timeout, proxy=proxy, ssl_context=_context(self.verify)))
            self.__dict__["_RestSession__made"] = made
        return made[1]

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_RestSession__made"}


class _Headers(dict[str, str]):
    """Headers that are found in any case."""

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__({name.lower(): value for name, value in given.items()})

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    # The names of a response are texts, so no overload for other keys is needed.
    def get(  # pyright: ignore[reportIncompatibleMethodOverride]  # as above
        self, name: str, default: Attribute = None
    ) -> Attribute:
        return super().get(name.lower(), default)


class _Prepared:
    """What a signer such as `CBProAuth` reads and changes of a `requests.PreparedRequest`."""

    def __init__(self, path_url: str) -> None:
        self.method = "GET"
        self.path_url = path_url
        self.body = None
        self.headers: dict[str, str] = {}


def _signature(auth: Hook, path: str, params: Mapping[str, object]) -> dict[str, str]:
    query = urlencode(_texts(params))
    prepared = _Prepared(f"{path}?{query}" if query else path)
    auth(prepared)
    return prepared.headers


def _texts(params: Mapping[str, object]) -> dict[str, str | int]:
    return {name: value if isinstance(value, int) else str(value) for name, value in params.items()}


def _context(verify: Attribute) -> ssl.SSLContext | None:
    if verify is True or verify is None:
        return None
    if verify is False:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    return ssl.create_default_context(cafile=str(verify))
