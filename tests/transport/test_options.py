"""Options that can never work are errors at once, and show no secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rxfeed import ConfigError, Feed, Secret, rest_snapshot
from rxfeed.transport import TransportOptions, proxy_for
from rxfeed.transport.proxy import Proxy

LONG = "a" * 64


@pytest.mark.parametrize("name", ["connect_timeout", "send_timeout"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), 1e300, 86_401, True, "5", None])
def test_bad_timeout_is_rejected(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name}: .* is not a number of seconds"):
        TransportOptions(**{name: value})


@pytest.mark.parametrize("value", [float("inf"), 1.5, True, "5"])
def test_bad_max_size_is_rejected(value: Any) -> None:
    with pytest.raises(ConfigError, match="max_size"):
        TransportOptions(max_size=value)


@pytest.mark.parametrize("value", [True, False, "ca.pem", {}])
def test_ssl_context_is_one(value: Any) -> None:
    with pytest.raises(ConfigError, match=f"ssl_context: a {type(value).__name__} is not an SSLContext"):
        TransportOptions(ssl_context=value)


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"X-Mine": b"hidden"}, "the value of X-Mine is a bytes, not a text"),
        ({"X-Mine": None}, "the value of X-Mine is a NoneType"),
        ({"X-Mine": 5}, "the value of X-Mine is a int"),
        ({"X-Mine": "hidden\r\nX-Other: 1"}, "the value of X-Mine has a line break"),
        ({"X-Mine": "hidden\n"}, "line break"),
        ({"X-Mine": Secret("hidden\r")}, "line break"),
        ({"X-Mine": "hidden\0"}, "control character"),
        ({"X-Mine": "hidden\ud800"}, "cannot be encoded"),
        ({"X-Mine\r\nX-Other": "1"}, "is not a header's name"),
        ({"X Mine": "1"}, "is not a header's name"),
        ({"": "1"}, "is not a header's name"),
        ({7: "1"}, "7 is not a header's name"),
        ({"upgrade": "h2c"}, "upgrade is set by the transport"),
        ({"Sec-WebSocket-Extensions": "permessage-deflate"}, "is set by the transport"),
        ([("X-Mine", "hidden")], "a list is not a mapping"),
        ("X-Mine: hidden", "a str is not a mapping"),
    ],
)
def test_headers_that_cannot_be_sent_are_named(headers: Any, named: str) -> None:
    for make in (lambda: TransportOptions(headers=headers), lambda: Feed("A-B", "ticker", headers=headers)):
        with pytest.raises(ConfigError, match=named) as caught:
            make()
        assert "hidden" not in str(caught.value)


def test_headers_that_can_be_sent_are_kept() -> None:
    headers = {"X-Mine": "a\tb ü", "Origin": Secret("https://example.org"), "Sec-WebSocket-Protocol": "feed"}
    kept = TransportOptions(headers=headers).headers
    assert {name: value.reveal() for name, value in kept.items() if isinstance(value, Secret)} == {
        "X-Mine": "a\tb ü",
        "Origin": "https://example.org",
        "Sec-WebSocket-Protocol": "feed",
    }
    headers["X-Mine"] = "other"
    assert kept["X-Mine"] == Secret("a\tb ü")


@pytest.mark.parametrize("host", [LONG, f"feed.{LONG}.org", "a..b", ".".join(["abcdefgh"] * 40), "ä" * 60])
def test_impossible_host_is_rejected(host: str) -> None:
    makes: list[Callable[[], Any]] = [
        lambda: Feed("A-B", "ticker", url=f"wss://{host}/feed"),
        lambda: Feed("A-B", "ticker", proxy=f"http://user:hidden@{host}:8080"),
        lambda: rest_snapshot(f"https://{host}"),
    ]
    for make in makes:
        with pytest.raises(ConfigError, match="is not the name of a host: each part") as caught:
            make()
        assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("host", ["a" * 63 + ".org", "exämple.org", "example.org.", "127.0.0.1", "[::1]", "a_b"])
def test_possible_host_is_accepted(host: str) -> None:
    Feed("A-B", "ticker", url=f"wss://{host}/feed")


def test_url_without_its_slashes_shows_no_password() -> None:
    with pytest.raises(ConfigError, match="it takes ws:// or wss://") as caught:
        Feed("A-B", "ticker", url="me:hidden@example.org/feed")
    assert "hidden" not in str(caught.value)


# ---- proxies


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("proxy", "remedy"),
    [
        ("https://user:hidden@proxy:8443", "https:// proxies are not supported: .* write http:// if the proxy takes"),
        ("socks://user:hidden@proxy:1080", "socks:// proxies are not supported: .* write socks5://"),
        ("ftp://user:hidden@proxy:21", "ftp:// proxies are not supported"),
        ("http://", "http:// is not a proxy's URL"),
        ("http://user:hidden@proxy:port", "the text is not a proxy's URL"),
    ],
)
@pytest.mark.parametrize("source", ["argument", "https_proxy", "HTTPS_PROXY"])
def test_unusable_proxy_is_rejected_with_a_remedy(
    proxy: str, remedy: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At construction, with the place of the value; the environment's proxy also for a Feed without an option."""
    named = "proxy: "
    if source != "argument":
        monkeypatch.setenv(source, proxy)
        named = rf"proxy \(from the environment variable {source}\): "
    given = proxy if source == "argument" else None
    with pytest.raises(ConfigError, match=f'{named}{remedy}.*give proxy="" to connect directly') as caught:
        Feed("A-B", "ticker", url="wss://example.org", proxy=given)
    assert "hidden" not in str(caught.value)
    if source != "argument":
        with pytest.raises(ConfigError, match=f"{named}{remedy}"):
            rest_snapshot("https://example.org")


def test_unused_environment_proxy_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "https://proxy:1")
    monkeypatch.setenv("no_proxy", "example.org")
    Feed("A-B", "ticker", url="wss://example.org")
    Feed("A-B", "ticker", url="wss://example.com", proxy="")
    Feed("A-B", "ticker", url="wss://127.0.0.1:1")
    Feed("A-B", "ticker", url="ws://example.com")
    Feed("A-B", "ticker", url="wss://example.com", proxy="http://other:1")


def test_proxy_url_parts() -> None:
    assert proxy_for("example.org", "user:p%40ss@proxy:81", secure=True) == Proxy(
        "http", "proxy", 81, Secret("user"), Secret("p@ss"), "http://proxy:81"
    )
    proxy = proxy_for("example.org", "socks5h://[::1]", secure=True)
    assert proxy is not None
    assert (proxy.kind, proxy.host, proxy.port, proxy.user) == ("socks5h", "::1", 1080, None)
