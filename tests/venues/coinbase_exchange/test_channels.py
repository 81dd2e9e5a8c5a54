"""The table of channels and their messages."""

from __future__ import annotations

import pytest

from rxfeed.market import Message
from rxfeed.sim.coinbase_exchange.subscriptions import CHANNELS as SERVED
from rxfeed.venues.coinbase_exchange import COINBASE_EXCHANGE
from rxfeed.venues.coinbase_exchange import messages as m


def leaves(kind: type[Message]) -> set[type[Message]]:
    return {kind, *(leaf for each in kind.__subclasses__() for leaf in leaves(each))}


ABOUT_THE_CONNECTION = {m.ExchangeSubscriptions, m.ExchangeError}


def test_every_message_type_is_in_a_channel() -> None:
    """A type that is added to the messages is added to the table."""
    public = {kind for kind in leaves(Message) if kind is not Message and not kind.__name__.startswith("_")}
    from_rxfeed = {kind for kind in public if kind.__module__ == m.__name__}
    assert from_rxfeed - {kind for each in COINBASE_EXCHANGE.channels for kind in each.types} == ABOUT_THE_CONNECTION


def test_every_channel_of_the_local_exchange_is_in_the_table() -> None:
    assert {name for name in SERVED if not COINBASE_EXCHANGE.types_of(name)} == set()


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ([m.Match], ["matches", "full"]),
        ([m.Snapshot], ["level2", "level2_batch"]),
        ([m.ExchangeTicker, m.Match], ["ticker", "ticker_batch", "matches", "full"]),
        ([m.Balance], ["balance"]),
        ([m.ExchangeError], []),
    ],
)
def test_channels_with_types(types: list[type[Message]], expected: list[str]) -> None:
    assert COINBASE_EXCHANGE.channels_with(types) == expected


def test_names_of_acknowledgements_have_the_same_messages() -> None:
    assert COINBASE_EXCHANGE.types_of("level2_50") == COINBASE_EXCHANGE.types_of("level2_batch") != frozenset()
    assert COINBASE_EXCHANGE.types_of("ticker_1000") == COINBASE_EXCHANGE.types_of("ticker_batch") != frozenset()
    assert COINBASE_EXCHANGE.types_of("unheard-of") == frozenset()
