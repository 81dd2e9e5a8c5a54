"""Every public name of cbpro's wheel exists, or raises one sentence that has what to use in its place."""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib
import inspect
import subprocess
import sys
from typing import Any

import pytest

import rxfeed.compat as cbpro
from rxfeed import ConfigError, Credentials
from rxfeed.compat.cbpro_auth import get_auth_headers
from rxfeed.compat.hosts import Servers, redirect
from rxfeed.errors import RequestRejected
from rxfeed.sim import Exchange
from tests.legacy.wheel import WheelMissing, wheel
from tests.support.wire import Wire, WireServer

LISTING = """
import inspect, json, sys
import cbpro
from cbpro import WebsocketClient, OrderBook, PublicClient
made = {"WebsocketClient": WebsocketClient(), "OrderBook": OrderBook(), "PublicClient": PublicClient()}
found = {}
for name, kind in vars(cbpro).items():
    if inspect.isclass(kind):
        signatures = {each: list(inspect.signature(getattr(kind, each)).parameters) for each in dir(kind)
                      if not each.startswith("__") and callable(getattr(kind, each))}
        found[name] = [signatures, sorted(vars(made.get(name, object)))if name in made else []]
print(json.dumps([found, sorted(name for name in sys.modules if name.startswith("cbpro."))]))
"""


def of_the_wheel() -> Any:
    import json

    try:
        path = wheel()
    except WheelMissing as missing:
        pytest.skip(str(missing))
    done = subprocess.run(
        [sys.executable, "-c", LISTING], env={"PYTHONPATH": str(path)}, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_names_of_the_wheel_exist_or_have_a_reason() -> None:
    classes, modules = of_the_wheel()
    assert set(classes) == {"AuthenticatedClient", "CBProAuth", "OrderBook", "PublicClient", "WebsocketClient"}
    for module in modules:
        importlib.import_module(module.replace("cbpro.", "rxfeed.compat."))
    for name, (methods, attributes) in classes.items():
        kind = getattr(cbpro, name)
        for method, parameters in methods.items():
            if name == "AuthenticatedClient" and not hasattr(cbpro.PublicClient, method):
                with pytest.raises(AttributeError, match=f"{method}: AuthenticatedClient: .* use a trading library"):
                    getattr(kind, method)
            else:
                ours = list(inspect.signature(getattr(kind, method)).parameters)
                assert ours[: len(parameters)] == parameters, (name, method)
        if attributes:
            made = kind()
            for attribute in attributes:
                assert hasattr(made, attribute), (name, attribute)


def test_client_of_orders_has_a_reason_without_init() -> None:
    class Trader(cbpro.AuthenticatedClient):
        def __init__(self) -> None:
            pass

    with pytest.raises(AttributeError, match=r"buy: AuthenticatedClient: .* use a trading library"):
        Trader().buy(price="1", size="1", product_id="BTC-USD")
    with pytest.raises(ConfigError, match="use a trading library"):
        cbpro.AuthenticatedClient("key", "secret", "phrase")


def test_fix_client_has_a_reason() -> None:
    with pytest.raises(ImportError, match="FIX is out of scope of rxfeed: for orders use"):
        from rxfeed.compat.FixClient import FixClient  # pyright: ignore[reportAttributeAccessIssue]  # noqa: F401


def test_hooks_of_an_older_library_are_warned_of() -> None:
    class Old(cbpro.WebsocketClient):
        def onMessage(self, msg: Any) -> None: ...

    with pytest.warns(UserWarning, match="onMessage is not called, .*: name it on_message"):
        Old()


# ---- CBProAuth


class Prepared:
    """As `requests` passes it to a signer."""

    def __init__(self, method: str, path_url: str, body: Any = None) -> None:
        self.method, self.path_url, self.body = method, path_url, body
        self.headers: dict[str, str] = {}


@pytest.mark.parametrize("body", [None, '{"size":"1"}', b'{"size":"1"}'])
def test_auth_signs_a_request(body: Any) -> None:
    request = Prepared("POST", "/orders?x=1", body)
    assert cbpro.CBProAuth("key", base64.b64encode(b"secret").decode(), "phrase")(request) is request
    text = body.decode() if isinstance(body, bytes) else body or ""
    signed = f"{request.headers['CB-ACCESS-TIMESTAMP']}POST/orders?x=1{text}".encode()
    expected = base64.b64encode(hmac.new(b"secret", signed, hashlib.sha256).digest()).decode()
    assert request.headers["CB-ACCESS-SIGN"] == expected
    assert (request.headers["CB-ACCESS-KEY"], request.headers["CB-ACCESS-PASSPHRASE"]) == ("key", "phrase")


def test_auth_headers_have_a_known_signature() -> None:
    headers = get_auth_headers(
        "1700000000.0",
        "1700000000.0GET/users/self/verify",
        "key",
        "cnhmZWVkLXRlc3Qtc2VjcmV0LTAxMjM0NTY3ODlhYmNkZWY=",
        "phrase",
    )
    assert headers["CB-ACCESS-SIGN"] == "iAHOuB0ERW60+cYh2ft5je+oxMdbJljbIugMZUEj7XY="


# ---- PublicClient.session


def answering(status: str, body: str) -> tuple[WireServer, list[bytes]]:
    requests: list[bytes] = []

    def play(wire: Wire) -> None:
        wire.read_request()
        requests.append(wire.request)
        wire.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nX-Kind: x\r\n\r\n{body}".encode())

    return WireServer(play), requests


def test_session_sends_headers_and_the_signature() -> None:
    server, requests = answering("200 OK", '{"a":1}')
    with server:
        client = cbpro.PublicClient(server.url.replace("ws://", "http://"))
        client.session.headers.update({"User-Agent": "bot/1"})
        client.auth = cbpro.CBProAuth("key", "c2VjcmV0", "phrase")
        assert client._send_message("get", "/accounts", params={"limit": 1}) == {"a": 1}
    (sent,) = requests
    assert sent.startswith(b"GET /accounts?limit=1 HTTP/1.1\r\n")
    for line in (b"User-Agent: bot/1", b"CB-ACCESS-KEY: key", b"CB-ACCESS-SIGN: "):
        assert line in sent


def test_session_gives_answers_of_any_status() -> None:
    with Exchange(["BTC-USD"], seed=5, auto=False) as exchange:
        session = cbpro.PublicClient(exchange.rest_url).session
        good = session.get(exchange.rest_url + "/products/BTC-USD/book", params={"level": 2, "x": None})
        assert good.ok
        assert good.json()["bids"]
        assert good.headers["Content-Type"].startswith("application/json")
        bad = session.get(exchange.rest_url + "/products/NOPE/book")
        assert (bad.status_code, bad.ok, bad.text) == (404, False, '{"message":"NotFound"}')
        with pytest.raises(RequestRejected, match="404"):
            bad.raise_for_status()
        session.close()


def test_session_follows_the_redirection_of_a_rehearsal() -> None:
    with Exchange(["BTC-USD"], seed=5, auto=False) as exchange:
        redirect(Servers(exchange.url, exchange.rest_url, Credentials("key", "c2VjcmV0", "phrase")))
        try:
            client = cbpro.PublicClient()
            assert client.session.get(client.url + "/products/BTC-USD/ticker").json()["trade_id"] > 0
        finally:
            redirect(None)


def test_session_has_a_reason_for_what_it_lacks() -> None:
    session = cbpro.PublicClient().session
    with pytest.raises(AttributeError, match=r"session.mount: .* set session = requests.Session\(\)"):
        session.mount("https://", None)
    with pytest.raises(ConfigError, match="POST /orders: only GET requests are supported"):
        session.request("POST", "https://api.exchange.coinbase.com/orders", data="{}")


def test_session_of_the_script_is_used() -> None:
    calls: list[Any] = []

    class Answer:
        status_code, headers, content = 200, {"cb-after": ""}, b'[{"trade_id":1}]'

    class Session:
        def request(self, method: str, url: str, **named: Any) -> Answer:
            calls.append((method, url, named["params"]))
            return Answer()

    client = cbpro.PublicClient("https://example.org")
    client.session = Session()
    assert list(client.get_product_trades("BTC-USD")) == [{"trade_id": 1}]
    assert calls == [("get", "https://example.org/products/BTC-USD/trades", {})]
