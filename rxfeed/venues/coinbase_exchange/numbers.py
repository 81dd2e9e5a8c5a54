"""The numbers in many frames of Exchange: trade ids, and the sequences of `full` and `level3`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from rxfeed.venues.coinbase_exchange import messages as m
from rxfeed.venues.coinbase_exchange.channels import TABLE
from rxfeed.venues.numbers import FrameLine, NumberGroup
from rxfeed.venues.venue import tag_of

MATCHES, FULL, LEVEL3, HEARTBEAT = "matches", "full", "level3", "heartbeat"
_MATCH, _LAST_MATCH = tag_of(m.Match), tag_of(m.LastMatch)
# The channels that have a type of message, the public ones first.
_CHANNELS = {
    tag_of(kind): [each.name for each in TABLE if kind in each.types and not each.account]
    for channel in TABLE
    for kind in channel.types
    if channel.name != LEVEL3
}


class SkimmedExchangeFrame(msgspec.Struct, gc=False):
    """The fields of a frame that have numbers, or decide which ones they are."""

    type: str
    product_id: str | None = None
    trade_id: int | None = None
    sequence: int | None = None
    last_trade_id: int | None = None


class ExchangeNumbers:
    """Reads the numbers of frames."""

    frame: Any = SkimmedExchangeFrame | list[Any]

    def groups(self, lines: Sequence[FrameLine], channels: dict[str | None, frozenset[str]]) -> Iterator[NumberGroup]:
        found: dict[tuple[str, str | None], list[FrameLine]] = {}
        lists: dict[tuple[str, str | None], list[FrameLine]] = {}
        for line in lines:
            frame = line.frame
            try:
                lists[frame.type, frame.product_id].append(line)
            except KeyError:
                key = self._channel(frame, channels.get(frame.product_id, frozenset())), frame.product_id
                lists[frame.type, frame.product_id] = several = found.setdefault(key, [])
                several.append(line)
            except AttributeError:  # an array
                if len(frame) < 3 or not isinstance(frame[1], str) or not isinstance(frame[2], int):
                    raise ValueError("not an array of level3") from None
                found.setdefault((LEVEL3, frame[1]), []).append(line)
        for (channel, product), several in found.items():
            if channel == MATCHES:
                yield NumberGroup(MATCHES, product, several, [line.frame.trade_id for line in several])
            elif channel == FULL:
                yield NumberGroup(FULL, product, several, [line.frame.sequence for line in several])
                trades = [line for line in several if line.frame.type == _MATCH]
                if trades:
                    yield NumberGroup(MATCHES, product, trades, [line.frame.trade_id for line in trades])
            elif channel == LEVEL3:
                yield NumberGroup(LEVEL3, product, several, [line.frame[2] for line in several])
            elif channel == _LAST_MATCH:
                named = [line.frame.trade_id for line in several]
                yield NumberGroup(MATCHES, product, several, named, counted=False, before=True)
            else:
                yield NumberGroup(channel, product, several)
                if channel == HEARTBEAT:
                    named = [line.frame.last_trade_id for line in several]
                    yield NumberGroup(MATCHES, product, several, named, counted=False)

    def _channel(self, frame: SkimmedExchangeFrame, subscribed: frozenset[str]) -> str:
        kind = frame.type
        if kind == _LAST_MATCH:
            return kind
        known = _CHANNELS.get(kind)
        if known is None:  # an unknown type has a place in the sequence of `full`
            return FULL if FULL in subscribed and frame.sequence is not None else kind
        if FULL in known and FULL in subscribed:
            return FULL
        return next((name for name in known if name in subscribed), known[0])
