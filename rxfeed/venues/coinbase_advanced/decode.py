"""Decodes a frame's bytes to its messages.

Rules:
- A frame is decoded in one pass. Trades come newest first, and are emitted oldest first.
- Nanoseconds are truncated to microseconds. msgspec rounds them, so frames with finer times than microseconds, other
  than the envelope's, are rewritten before.
- A field that is null, or an empty text, is absent.
- A frame of a known channel without a message is an `EmptyFrame`, since its number counts.
- A book or a ticker without an observer is not decoded, except its product: the two are most of the cost of a feed.
- A book update has the time of its newest change. Without one (a snapshot of old levels has the year 1970), it has the
  envelope's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

import msgspec
from msgspec.structs import force_setattr

from rxfeed.market import (
    LONG,
    NEGATIVE,
    NOT_FINITE,
    TOO_LONG,
    UNDECODED,
    ZERO,
    ChannelSubscription,
    Level,
    Malformed,
    Message,
    Side,
    Skipped,
    Unknown,
    fits,
)
from rxfeed.venues.coinbase_advanced import frames as f
from rxfeed.venues.coinbase_advanced import messages as m
from rxfeed.venues.coinbase_advanced.channels import WITHOUT_PRODUCTS
from rxfeed.venues.delivered_ids import DeliveredIds
from rxfeed.venues.rest import JsonValue
from rxfeed.venues.venue import Decoded, Observed

_Messages = Callable[[Any], Message | tuple[Message, ...]]
"""The messages of a channel's frames."""
_MOST_VALUES = 2_000_000
_LONGEST_NAME = 64
_BEGINNING = 512
_PRODUCT = re.compile(rb'"product_id"\s*:\s*"([0-9A-Za-z._-]{1,64})"')
_CHANNEL = re.compile(rb'"(?:channel|type)"\s*:\s*"([0-9A-Za-z_]{1,32})"')
_NUMBER = re.compile(rb'"sequence_num"\s*:\s*"?([0-9]{1,19})')
# A time with more than six digits after the point, or a leap second, that is not the envelope's.
_odd = re.compile(rb'T(?<!"timestamp":"[0-9-]{10}T)(?:[0-9:]{8}\.[0-9]{7}|[0-9:]{6}60)').search
_ODD = re.compile(
    rb'("[a-z_]*(?:time|start)"\s*:\s*"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:)'
    rb"(?:([0-5][0-9]\.[0-9]{6})[0-9]+|60(?:\.[0-9]+)?)"
)
_LEAP = re.compile(r":60(?:\.[0-9]+)?")
_HEADS: dict[bytes, Callable[[bytes], f.BookHeads | f.TickerHeads]] = {
    b'{"channel":"l2_data': f.decode_books,
    b'{"channel":"ticker"': f.decode_tickers,
}
_BEGIN = slice(19)
_id_of = attrgetter("trade_id")
_decode_bare = msgspec.json.Decoder(m.BARE, strict=False).decode
_decode_all = msgspec.json.Decoder(float_hook=Decimal).decode


class AdvancedDecoder:
    """Decodes the frames of one connection. It has no state, but the `renamed` products.

    *renamed*: the products' ids, by those under which the venue delivers them, where they differ.
    """

    __slots__ = ("observed", "quick", "renamed")

    def __init__(self, renamed: Mapping[str, str] | None = None, observed: Observed | None = None) -> None:
        self.quick = None
        self.observed = observed
        self.renamed = renamed if isinstance(renamed, DeliveredIds) else DeliveredIds(renamed or {})

    def decode(self, raw: bytes) -> Decoded:
        """The message in *raw*, or all of them; never raises.

        >>> from rxfeed.venues.coinbase_advanced import AdvancedDecoder
        >>> AdvancedDecoder().decode(b'{"type":"error","message":"authentication failure"}')
        AdvancedError(message='authentication failure')
        >>> AdvancedDecoder().decode(b'{"channel":"news","sequence_num":7,"events":[]}')
        Unknown(type='news', sequence=7, level3=False)
        >>> AdvancedDecoder().decode(b'{"channel":').reason
        'not JSON: Input data was truncated'
        """
        heads_of = _HEADS.get(raw[_BEGIN])
        observed = self.observed
        if heads_of is not None and observed is not None and raw.isascii() and len(raw) <= LONG:
            # Most frames of a feed pass here, unless books and tickers have observers.
            try:
                heads = heads_of(raw)
            except msgspec.MsgspecError:
                pass  # it is decoded completely, which gives the reason
            else:
                head = heads.events[0]
                if isinstance(head, f.UpdateHead):
                    kind, product = m.AdvancedL2Update, head.product_id
                elif isinstance(head, f.SnapshotHead):
                    kind, product = m.AdvancedL2Snapshot, head.product_id
                else:
                    kind, product = m.AdvancedTicker, head.tickers[0].product_id
                if self.renamed:
                    product = self.renamed[product]
                if not observed(kind, product):
                    skipped: Any = Skipped(kind, product, heads.sequence_num)
                    return skipped
        try:
            if not raw.isascii():
                raw.decode()  # msgspec skips values without a field, invalid UTF-8 included
            if len(raw) > LONG and raw.count(b",") > _MOST_VALUES:
                raise msgspec.ValidationError(f"over {_MOST_VALUES:,} values")
            # Books and tickers have no times that msgspec decodes.
            frame = f.decode_frame(_ODD.sub(_cut, raw) if heads_of is None and _odd(raw) else raw)
            decoded = _MESSAGES[type(frame)](frame)
        except msgspec.ValidationError as error:
            decoded = self._other(raw, error)
        except RecursionError as error:
            return _malformed(raw, f"not JSON: {error}")
        except UNDECODED as error:
            broken = isinstance(error, msgspec.DecodeError | UnicodeDecodeError)
            return _malformed(raw, f"not JSON: {error}" if broken else f"wrong shape: {error}")
        if self.renamed and not isinstance(decoded, Malformed):
            for message in decoded if isinstance(decoded, tuple) else (decoded,):
                _rename(message, self.renamed)
        return decoded

    def _other(self, raw: bytes, error: msgspec.ValidationError) -> Message | tuple[Message, ...] | Malformed:
        if len(raw) > LONG:
            return _malformed(raw, f"wrong shape: {error}")
        try:
            content: JsonValue = _decode_all(_ODD.sub(_cut, raw))
        except UNDECODED as broken:
            return _malformed(raw, f"not JSON: {broken}")
        if not isinstance(content, dict):
            return Malformed(raw, f"wrong shape: {error}")
        channel = content.get("channel")
        try:
            if isinstance(channel, str) and channel in f.CHANNELS:
                frame = msgspec.convert(_without_blanks(content), f.CHANNELS[channel], strict=False)
                return _MESSAGES[type(frame)](frame)
            if channel is None and "events" not in content and isinstance(kind := content.get("type"), str):
                return _bare(kind, content)
        except UNDECODED:
            return _malformed(raw, f"wrong shape: {error}")
        if not isinstance(channel, str) or not channel:
            return _malformed(raw, f"wrong shape: {error}")
        number = content.get("sequence_num")
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 1 << 63:
            number = None
        return Unknown(type=channel, sequence=number)


def _bare(kind: str, content: dict[str, JsonValue]) -> Message:
    """A message without a frame: an error, or one that was encoded by itself; `Unknown` if it is neither."""
    try:
        return msgspec.convert(_without_blanks(content), m.BARE, strict=False)
    except msgspec.ValidationError:
        if kind in _BARE_TYPES:
            raise
        product = content.get("product_id")
        return Unknown(type=kind, product_id=product if isinstance(product, str) and product else None)


_BARE_TYPES = {each.__struct_config__.tag for each in m.BARE.__args__}


# ---- by channel


def _trades(frame: f.TradesFrame) -> Message | tuple[Message, ...]:
    number = frame.sequence_num
    found: list[m.MarketTrade | m.PriorMarketTrade] = []
    for event in frame.events:
        trades: Sequence[m.MarketTrade | m.PriorMarketTrade] | None = event.trades
        if trades:
            if len(trades) > 1:
                trades = trades[::-1]
                ids = [*map(_id_of, trades)]
                if ids != sorted(ids):
                    trades = sorted(trades, key=lambda trade: (trade.product_id, trade.trade_id))
            found += trades
    for trade in found:
        force_setattr(trade, "sequence_num", number)
    if len(found) == 1 and type(found[0]) is m.MarketTrade:
        return found[0]
    return tuple(found) or _empty(frame)


def _books(frame: f.BookFrame) -> Message | tuple[Message, ...]:
    number = frame.sequence_num
    if len(frame.events) == 1:  # as always so far
        return _book(frame.events[0], frame.timestamp, number)
    return tuple(_book(event, frame.timestamp, number) for event in frame.events) or _empty(frame)


def _book(event: f.BookEvent, timestamp: str, number: int) -> Message:
    updates, changed = event.updates or (), event.type == "update"
    changes: list[tuple[Side, Decimal, Decimal]] = []
    bids: list[Level] = []
    asks: list[Level] = []
    # Nearly all of a feed of books passes here: what `check` and `check_sizes` do is written out, in one loop.
    try:
        for each in updates:
            price, size = each.price_level, each.new_quantity
            if not (fits(price).is_finite() and fits(size).is_finite()):
                raise ValueError(NOT_FINITE)
            if size.is_signed() and size < ZERO:
                raise ValueError(NEGATIVE)
            if changed:
                changes.append(("buy" if each.side == "bid" else "sell", price, size))
            elif each.side == "bid":
                bids.append((price, size))
            else:
                asks.append((price, size))
    except ArithmeticError:
        raise ValueError(TOO_LONG) from None
    times = {each.event_time for each in updates}
    time = time_of(times.pop()) if len(times) == 1 else max(filter(None, map(time_of, times)), default=None)
    if time is None or time.year <= 1970:
        time = time_of(timestamp)
    product = event.product_id
    if changed:
        return m.AdvancedL2Update(product_id=product, time=time, changes=tuple(changes), sequence_num=number)
    return m.AdvancedL2Snapshot(product_id=product, time=time, bids=tuple(bids), asks=tuple(asks), sequence_num=number)


def _of(name: str) -> _Messages:
    """The messages that the events have in a list of this *name*, with the envelope's time."""

    def messages(frame: Any) -> Message | tuple[Message, ...]:
        time, number = time_of(frame.timestamp), frame.sequence_num
        events = frame.events
        if len(events) == 1:  # as always so far
            found = getattr(events[0], name) or ()
        else:
            found = [each for event in events for each in getattr(event, name) or ()]
        for message in found:
            force_setattr(message, "time", time)
            force_setattr(message, "sequence_num", number)
        return _one_or_all(found) or _empty(frame)

    return messages


def _orders(frame: f.UserFrame) -> Message | tuple[Message, ...]:
    time, number = time_of(frame.timestamp), frame.sequence_num
    found: list[m.OrderUpdate] = []
    for event in frame.events:
        for order in event.orders or ():
            force_setattr(order, "time", time)
            force_setattr(order, "sequence_num", number)
            if event.type == "snapshot":
                force_setattr(order, "snapshot", True)
            found.append(order)
    return _one_or_all(found) or _empty(frame)


def _balances(frame: f.BalanceFrame) -> Message | tuple[Message, ...]:
    found = [event.fcm_balance_summary for event in frame.events if event.fcm_balance_summary is not None]
    for balance in found:
        force_setattr(balance, "time", time_of(frame.timestamp))
        force_setattr(balance, "sequence_num", frame.sequence_num)
    return _one_or_all(found) or _empty(frame)


def _states(frame: f.StatusFrame) -> Message:
    products = tuple(product for event in frame.events for product in event.products or ())
    return m.AdvancedStatus(time=time_of(frame.timestamp), products=products, sequence_num=frame.sequence_num)


def _heartbeats(frame: f.HeartbeatsFrame) -> Message | tuple[Message, ...]:
    found = [
        m.ConnectionHeartbeat(
            heartbeat_counter=event.heartbeat_counter,
            time=go_time(event.current_time),
            sequence_num=frame.sequence_num,
        )
        for event in frame.events
    ]
    return _one_or_all(found) or _empty(frame)


def _subscriptions(frame: f.SubscriptionsFrame) -> Message:
    listed = [each for event in frame.events for each in event.subscriptions.items()]
    return m.AdvancedSubscriptions(
        channels=tuple(_subscribed(name, ids or ()) for name, ids in listed),
        time=time_of(frame.timestamp),
        sequence_num=frame.sequence_num,
    )


def _subscribed(name: str, ids: tuple[str, ...]) -> ChannelSubscription:
    if name not in WITHOUT_PRODUCTS:
        return ChannelSubscription(name=name, product_ids=ids)
    # `heartbeats` lists its own name, `user` the account's id.
    return ChannelSubscription(name=name, account_ids=tuple(each for each in ids if each != name) or None)


def _empty(frame: f.ChannelFrame) -> Message:
    return m.EmptyFrame(
        channel=str(frame.__struct_config__.tag), time=time_of(frame.timestamp), sequence_num=frame.sequence_num
    )


def _one_or_all(found: Sequence[Message]) -> Message | tuple[Message, ...]:
    return found[0] if len(found) == 1 else tuple(found)


_MESSAGES: dict[type[f.ChannelFrame], _Messages] = {
    f.TradesFrame: _trades,
    f.BookFrame: _books,
    f.TickerFrame: _of("tickers"),
    f.TickerBatchFrame: _of("tickers"),
    f.CandlesFrame: _of("candles"),
    f.StatusFrame: _states,
    f.HeartbeatsFrame: _heartbeats,
    f.SubscriptionsFrame: _subscriptions,
    f.UserFrame: _orders,
    f.BalanceFrame: _balances,
}

# ---- times and names


def time_of(timestamp: str | None) -> datetime | None:
    """The time of an envelope, truncated to microseconds; `None` if it has none. Raises `ValueError`.

    >>> from rxfeed.venues.coinbase_advanced.decode import time_of
    >>> time_of("2026-08-09T23:59:59.9999999Z")
    datetime.datetime(2026, 8, 9, 23, 59, 59, 999999, tzinfo=datetime.timezone.utc)
    """
    if not timestamp:
        return None
    try:
        time = datetime.fromisoformat(timestamp)
    except ValueError:
        time = datetime.fromisoformat(_LEAP.sub(":59.999999", timestamp))
    if time.tzinfo is None:
        raise ValueError(f"the timestamp {timestamp[:40]!r} has no time zone")
    return time


def go_time(text: str) -> datetime:
    """A time as Go prints it. Raises `ValueError`.

    >>> from rxfeed.venues.coinbase_advanced.decode import go_time
    >>> go_time("2026-08-09 21:05:48.854840045 +0000 UTC m=+41691.260485341")
    datetime.datetime(2026, 8, 9, 21, 5, 48, 854840, tzinfo=datetime.timezone.utc)
    """
    day, clock, offset, *_ = (*text.split(" "), "", "", "")
    time = time_of(text if text[10:11] == "T" else f"{day}T{clock}{offset[:3]}:{offset[3:5]}")
    if time is None:
        raise ValueError("a heartbeat without a time")
    return time


def microsecond_times(raw: bytes) -> bytes:
    """*raw* with its times truncated to microseconds."""
    return _ODD.sub(_cut, raw)


def _cut(time: re.Match[bytes]) -> bytes:
    return time[1] + (time[2] or b"59.999999")


def names_in(beginning: bytes) -> tuple[str | None, str | None]:
    """The product and the channel in the *beginning* of a frame that was not read completely."""
    product, channel = _PRODUCT.search(beginning), _CHANNEL.search(beginning)
    return None if product is None else product[1].decode(), None if channel is None else channel[1].decode()


def number_in(beginning: bytes) -> int | None:
    """The `sequence_num` in the *beginning* of a frame; `None` if it is not there."""
    found = _NUMBER.search(beginning[:_BEGINNING])
    return None if found is None else int(found[1])


class _TradeName(msgspec.Struct, gc=False):
    product_id: str
    trade_id: int


class _TradeEvent(msgspec.Struct, gc=False):
    trades: list[msgspec.Raw] = []


class _TradeEvents(msgspec.Struct, gc=False):
    events: list[_TradeEvent] = []


_decode_trade_events = msgspec.json.Decoder(_TradeEvents).decode
_decode_trade_name = msgspec.json.Decoder(_TradeName, strict=False).decode


def trade_ids_in(raw: bytes) -> list[tuple[str, int]]:
    """Product and id of the trades in a frame that is not too long, as far as they can be read, in any order.

    >>> from rxfeed.venues.coinbase_advanced.decode import trade_ids_in
    >>> trade_ids_in(b'{"events":[{"trades":[{"product_id":"BTC-USD","trade_id":"7","price":"NaN"},{}]}]}')
    [('BTC-USD', 7)]
    """
    found: list[tuple[str, int]] = []
    with suppress(*UNDECODED):
        for event in _decode_trade_events(raw if len(raw) <= LONG else b"{}").events:
            for each in event.trades:
                with suppress(*UNDECODED):
                    name = _decode_trade_name(each)
                    found.append((name.product_id, name.trade_id))
    return found


def _malformed(raw: bytes, reason: str) -> Malformed:
    """It names a product only if it has no other."""
    _, channel = names_in(raw[:_BEGINNING])
    products = {found.decode() for found in _PRODUCT.findall(raw)} if len(raw) <= LONG else set[str]()
    return Malformed(raw, reason, 0, products.pop() if len(products) == 1 else None, channel)


def _without_blanks(value: JsonValue) -> JsonValue:
    """*value* without its nulls and empty texts, except in lists of texts."""
    if isinstance(value, dict):
        return {name: _without_blanks(each) for name, each in value.items() if each is not None and each != ""}
    if isinstance(value, list):
        return [_without_blanks(each) for each in value if each is not None]
    return value


def _rename(message: Message, renamed: DeliveredIds) -> None:
    if isinstance(message, m.AdvancedSubscriptions):
        channels = tuple(
            msgspec.structs.replace(each, product_ids=tuple(renamed[id_] for id_ in each.product_ids))
            if each.product_ids
            else each
            for each in message.channels
        )
        force_setattr(message, "channels", channels)
    elif message.product_id is not None and (product := renamed[message.product_id]) != message.product_id:
        force_setattr(message, "product_id", product)
