"""Passes over messages that nothing reads. See `rxfeed.venues.skimming`.

Books have no numbers. Of tickers, matches and orders those are decoded that the gap detector needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from rxfeed.market import ENDING, LONG, PLAIN, UNDECODED, Message, ends_with_microseconds
from rxfeed.venues.coinbase_exchange.gaps import ExchangeGaps, UnreadMatch, UnreadNumber
from rxfeed.venues.coinbase_exchange.messages import (
    Change,
    Done,
    ExchangeTicker,
    L2Update,
    Match,
    Open,
    Received,
    Snapshot,
)
from rxfeed.venues.skimming import NOTHING_KNOWN, UnreadRoutes
from rxfeed.venues.venue import tag_of


class _Named(msgspec.Struct, frozen=True, gc=False):
    product_id: str


class _Skimmed(NamedTuple):
    kind: type[Message]
    decode: Callable[[bytes], Any]
    follows: Callable[[Any], bool] | None
    """Takes the number, if it is the next one; `None` for messages without numbers."""


# {"type":"l2update"   The first letter of the type selects the decoder, which checks the whole type.
_LETTER = 9


def _decoder(kind: type[Message], fields: type[msgspec.Struct]) -> Callable[[bytes], Any]:
    tag = tag_of(kind)
    if fields.__struct_config__.tag != tag:
        fields = msgspec.defstruct(f"{kind.__name__}Fields", [], bases=(fields,), tag_field="type", tag=tag)
    return msgspec.json.Decoder(fields).decode


class ExchangeSkimmer:
    """Passes over frames of one connection; *gaps* has the numbers of the feed."""

    __slots__ = ("_skimmed",)

    def __init__(self, gaps: ExchangeGaps) -> None:
        self._skimmed = {
            ord(tag_of(kind)[0]): _Skimmed(kind, _decoder(kind, fields), follows)
            for kind, fields, follows in (
                (L2Update, _Named, None),
                (Snapshot, _Named, None),
                (ExchangeTicker, UnreadNumber, gaps.ticker_follows),
                (Match, UnreadMatch, gaps.match_follows),
                *((kind, UnreadNumber, gaps.order_follows) for kind in (Received, Open, Done, Change)),
            )
        }

    def skim(self, raw: bytes, routes: UnreadRoutes) -> bool:
        """See `Skim`."""
        # Most frames of a feed end here, so all steps are inline.
        try:
            found = self._skimmed.get(raw[_LETTER])
            if found is None:
                return False
            kind, decode, follows = found
            known = routes.skimmed.get(kind, NOTHING_KNOWN)
            if known is None or not raw.isascii() or len(raw) > LONG:
                return False
            if follows is not None and raw[ENDING] != PLAIN and not ends_with_microseconds(raw):
                return False  # msgspec rounds finer times
            fields = decode(raw)
        except (*UNDECODED, IndexError):
            return False
        route = known.get(fields.product_id)
        if route is None:
            route = routes.unobserved(kind, fields.product_id)
            if route is None:
                return False
        if route.receivers or (follows is not None and not follows(fields)):
            return False
        route.count += 1
        return True
