"""The channels that a classic client subscribes to, by what the exchange of today gives without keys.

Rules:
- Without channels the classics got everything. Today that is an error, so the public channels with trades are taken.
- Without keys, `level2` is `level2_batch`: the same messages, every 50 ms.
- Without keys, the exchange refuses `full`. If an `OrderBook` of one of the products exists, then the script needs a
  book, which can stand on `level2_batch`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rxfeed.compat.books import has_book
from rxfeed.compat.notices import Kind
from rxfeed.compat.types import Attribute, Given

PRIVATE = frozenset({"level2", "level3", "full", "user", "rfq_matches", "balance"})
_BY_ORDER = frozenset({"full", "level3"})
_PUBLIC = ["ticker", "matches", "heartbeat"]

NO_CHANNELS = "channels is None, which the exchange refuses today: subscribing to {names}; write channels=[{quoted}]"
LEVEL2 = (
    "level2 needs keys of Coinbase Exchange (auth=True): subscribing to level2_batch, which has the same messages "
    "every 50 ms; write channels=['level2_batch']"
)
BOOK = (
    "{name} needs keys of Coinbase Exchange (auth=True): OrderBook stands on level2_batch and matches. Prices and "
    "sizes are right, but each price has one order with the whole size, and an id that begins with 'aggregated'"
)


class Requested(NamedTuple):
    """The channels to subscribe to, and the texts of the warnings about what was changed."""

    channels: Attribute
    notices: tuple[tuple[Kind, str], ...] = ()


def requested(client: object, channels: Given, products: Given, signed: bool) -> Requested:
    """What to subscribe to for the *channels* of *client*; *signed*: it has keys."""
    by_order = channels is None or not _BY_ORDER.isdisjoint(names_of(channels))
    booked = by_order and not signed and has_book(client, _texts(products))
    if channels is None:
        names = [*_PUBLIC, *(["full"] if signed else []), *(["level2_batch"] if booked else [])]
        quoted = ", ".join(map(repr, names))
        notices = [(Kind.SUBSTITUTED, NO_CHANNELS.format(names=", ".join(names), quoted=quoted))]
        if booked:
            notices.append((Kind.SUBSTITUTED, BOOK.format(name="full")))
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
        if name == "level2":
            made.append(_renamed(entry, "level2_batch"))
            texts.append(LEVEL2)
        elif name in _BY_ORDER and booked:
            made += [_renamed(entry, "level2_batch"), _renamed(entry, "matches")]
            texts.append(BOOK.format(name=name))
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
