"""The channels that a classic client subscribes to, by what the exchange of today gives without keys.

Rules:
- Without channels the classics got everything. Today that is an error, so the public channels with trades are taken.
- Without keys, `level2` is `level2_batch`: the same messages, every 50 ms.
- Without keys, the exchange refuses `full`. If an `OrderBook` of one of the products exists, then the script needs a
  book, which can stand on `level2_batch`.
- On Advanced Trade nothing is signed: its `level2` needs no keys, and no channel has single orders.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rxfeed.compat.books import has_book
from rxfeed.compat.notices import Kind
from rxfeed.compat.types import Attribute, Given
from rxfeed.venues import COINBASE_ADVANCED, COINBASE_EXCHANGE, Venue

PRIVATE = frozenset({"level2", "level3", "full", "user", "rfq_matches", "balance"})
_BY_ORDER = frozenset({"full", "level3"})
_PUBLIC = ["ticker", "matches", "heartbeat"]

NO_CHANNELS = (
    "channels is None, which the exchange refuses today: subscribing to {names}{without}; write channels=[{quoted}]"
)
NO_ORDERS = ", without received, open, done and change, which need keys of Coinbase Exchange (auth=True)"
ADVANCED_NO_ORDERS = ", without received, open, done and change, which Advanced Trade does not have"
LEVEL2 = (
    "level2 needs keys of Coinbase Exchange (auth=True): subscribing to level2_batch, which has the same messages "
    "every 50 ms; write channels=['level2_batch']"
)
BOOK = (
    "{name} needs keys of Coinbase Exchange (auth=True): OrderBook stands on level2_batch and matches. Prices and "
    "sizes are right, but each price has one order with the whole size, and an id that begins with 'aggregated'"
)
ADVANCED_BOOK = (
    "{name}: Advanced Trade has no single orders: OrderBook stands on level2 and matches. Prices and sizes are right, "
    "but each price has one order with the whole size, and an id that begins with 'aggregated'"
)
ADVANCED_AUTH = (
    "auth=True: Advanced Trade does not take keys of Coinbase Exchange: subscribing without keys, which its channels "
    "ticker, matches, heartbeat, level2 and status do not need"
)
ADVANCED_BATCH = (
    "ticker_batch: Advanced Trade has no best prices in it: subscribing to ticker, which comes with each trade; "
    "write channels=['ticker']"
)


class Requested(NamedTuple):
    """The channels to subscribe to, and the texts of the warnings about what was changed."""

    channels: Attribute
    notices: tuple[tuple[Kind, str], ...] = ()


def requested(
    client: object, channels: Given, products: Given, signed: bool, venue: Venue = COINBASE_EXCHANGE
) -> Requested:
    """What to subscribe to for the *channels* of *client* on *venue*; *signed*: it has keys."""
    if venue is COINBASE_ADVANCED:
        found = _substituted(client, channels, products, False, advanced=True)
        texts = [ADVANCED_AUTH] if signed else []
        if not {"ticker_batch", "ticker_1000"}.isdisjoint(names_of(channels)):
            texts.append(ADVANCED_BATCH)
        return Requested(found.channels, (*found.notices, *((Kind.SUBSTITUTED, text) for text in texts)))
    return _substituted(client, channels, products, signed)


def _substituted(
    client: object, channels: Given, products: Given, signed: bool, *, advanced: bool = False
) -> Requested:
    levels, book = ("level2", ADVANCED_BOOK) if advanced else ("level2_batch", BOOK)
    by_order = channels is None or not _BY_ORDER.isdisjoint(names_of(channels))
    booked = by_order and not signed and has_book(client, _texts(products))
    if channels is None:
        names = [*_PUBLIC, *(["full"] if signed else []), *([levels] if booked else [])]
        quoted = ", ".join(map(repr, names))
        without = "" if signed else ADVANCED_NO_ORDERS if advanced else NO_ORDERS
        text = NO_CHANNELS.format(names=", ".join(names), without=without, quoted=quoted)
        notices = [(Kind.SUBSTITUTED, text)]
        if booked:
            notices.append((Kind.SUBSTITUTED, book.format(name="full")))
        return Requested(names, tuple(notices))
    if signed:
        return Requested(channels)
    entries = [channels] if isinstance(channels, str | dict) else channels
    if not isinstance(entries, list | tuple):
        return Requested(channels)
    made: list[object] = []
    texts: list[str] = []
    for entry in entries:
        name = _name(entry)
        if name == "level2" and not advanced:
            made.append(_renamed(entry, "level2_batch"))
            texts.append(LEVEL2)
        elif name in _BY_ORDER and booked:
            made += [_renamed(entry, levels), _renamed(entry, "matches")]
            texts.append(book.format(name=name))
        else:
            made.append(entry)
    if not texts:
        return Requested(channels)
    unique = [entry for place, entry in enumerate(made) if entry not in made[:place]]
    return Requested(unique, tuple((Kind.SUBSTITUTED, text) for text in dict.fromkeys(texts)))


def names_of(channels: Given) -> list[str]:
    """The names of the channels in a client's *channels*."""
    entries = channels if isinstance(channels, list | tuple) else [channels]
    return [_name(entry) for entry in entries]


def _name(entry: object) -> str:
    return str(entry.get("name", "")) if isinstance(entry, dict) else str(entry)


def _renamed(entry: object, name: str) -> object:
    return {**entry, "name": name} if isinstance(entry, dict) else name


def _texts(products: Given) -> Iterable[str]:
    given = [products] if isinstance(products, str) else products
    return [each for each in given if isinstance(each, str)] if isinstance(given, list | tuple | set) else []
