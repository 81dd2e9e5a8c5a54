from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.tape.subjects import SEVERAL, Subjects, escaped, unescaped
from rxfeed.venues import VENUES
from rxfeed.venues.coinbase_exchange import ExchangeSubscriptions, Match

EXCHANGE = Subjects("rxfeed", VENUES["coinbase_exchange"])


@given(st.text())
def test_token_is_read_back_and_is_one_token(text: str) -> None:
    token = escaped(text)
    assert unescaped(token) == text
    assert token
    assert token != SEVERAL
    assert token.isascii()
    assert not set(token) & set(". *>\t\r\n")


@given(st.text(), st.text())
def test_different_texts_have_different_tokens(one: str, other: str) -> None:
    assert (escaped(one) == escaped(other)) == (one == other)


@pytest.mark.parametrize("venue", VENUES.values(), ids=str)
def test_every_type_has_one_channel(venue: object) -> None:
    subjects = Subjects("rxfeed", venue)  # type: ignore[arg-type]
    for kind in VENUES[venue.name].types:  # type: ignore[attr-defined]
        assert subjects.of(kind, "BTC-USD").split(".")[3] == "BTC-USD"


def test_message_has_the_subject_of_its_type_whatever_was_subscribed() -> None:
    assert EXCHANGE.of(Match, "BTC-USD") == "rxfeed.coinbase_exchange.matches.BTC-USD"
    assert EXCHANGE.of(Match, None) == "rxfeed.coinbase_exchange.matches._"
    assert EXCHANGE.of(ExchangeSubscriptions, None) == "rxfeed.coinbase_exchange._._"


def test_filters_have_all_channels_with_the_types_of_one() -> None:
    """The trades of `full` are on the subject of `matches`."""
    found = EXCHANGE.filters(["BTC-USD"], ["full"])
    assert "rxfeed.coinbase_exchange.matches.BTC-USD" in found
    assert "rxfeed.coinbase_exchange.full.BTC-USD" in found
    assert "rxfeed.coinbase_exchange._events.*" in found
    assert not any(".ticker." in each for each in found)


@pytest.mark.parametrize("products", [None, ["BTC-USD", "a.b"]])
@pytest.mark.parametrize("channels", [None, ["matches", "heartbeat"]])
def test_filters_do_not_overlap(products: list[str] | None, channels: list[str] | None) -> None:
    """The server refuses a consumer with two filters that select the same subject."""
    filters = [each.split(".") for each in EXCHANGE.filters(products, channels)]
    assert len(filters) == len(set(map(tuple, filters)))
    overlapping = [
        (one, other)
        for one in filters
        for other in filters
        if one is not other and all(a == b or "*" in (a, b) for a, b in zip(one, other, strict=True))
    ]
    if products is None or channels is not None:
        assert overlapping == []
