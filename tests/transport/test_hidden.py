"""What a server may repeat of a request, in the forms in which it may repeat it."""

from __future__ import annotations

import pytest

from rxfeed.secrets import Secret
from rxfeed.transport import Endpoint
from rxfeed.transport.hidden import HiddenTexts

ENDPOINT = Endpoint.of("wss://me:pass%20word@example.org/feed?token=open%2Fsesame&size=42")
HEADERS = {"X-Key": Secret("abcdefgh ijklmnop"), "Authorization": "Bearer secretbearer", "Accept": "text/plain"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no token=open%2Fsesame&size=42", "no [redacted]"),
        ("no open%2Fsesame here", "no [redacted] here"),
        ("no open/sesame here", "no [redacted] here"),
        ('{"token":"open\\/sesame"}', '{"token":"[redacted]"}'),
        ("Basic bWU6cGFzcyB3b3Jk", "[redacted]"),
        ("not bWU6cGFzcyB3b3Jk", "not [redacted]"),
        ("not me:pass word", "not [redacted]"),
        ("not pass word", "not [redacted]"),
        ("key abcdefgh", "key [redacted]"),
        ("bearer secretbearer", "bearer [redacted]"),
        ("we have no text/plain", "we have no [redacted]"),
        ("we have plain text of 42 bytes", "we have plain text of 42 bytes"),
        ("\udcff\u2028", "\udcff\u2028"),
    ],
)
def test_repeated_secret_is_hidden(text: str, shown: str) -> None:
    raw = text.encode(errors="surrogatepass")
    assert HiddenTexts.of(ENDPOINT, HEADERS).without(raw) == shown.encode(errors="surrogatepass")


def test_nothing_is_hidden_without_secrets() -> None:
    assert HiddenTexts.of(Endpoint.of("ws://example.org"), {}).without(b"any text") == b"any text"


def test_hidden_texts_are_in_no_repr() -> None:
    hidden = HiddenTexts.of(ENDPOINT, HEADERS)
    assert "sesame" not in repr(vars(hidden))
