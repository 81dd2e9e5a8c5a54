"""Decodes a frame's bytes to a message."""

from __future__ import annotations

import re
from contextlib import suppress
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple, TypeGuard

import msgspec

from rxfeed.market import (
    ENDING,
    LONG,
    PLAIN,
    UNDECODED,
    Malformed,
    Message,
    Unknown,
    ends_with_microseconds,
    in_microseconds,
)
from rxfeed.venues.coinbase_exchange import messages as m

Known = (
    m.Match
    | m.LastMatch
    | m.ExchangeTicker
    | m.L2Update
    | m.Snapshot
    | m.ExchangeHeartbeat
    | m.Received
    | m.Open
    | m.Done
    | m.Change
    | m.Activate
    | m.ExchangeAuction
    | m.RfqMatch
    | m.Balance
    | m.Status
    | m.ExchangeSubscriptions
    | m.ExchangeError
)
_Content = dict[str, object] | list[object] | str | int | Decimal | None
"""What JSON can be."""
_LONGEST_NAME = 64
_BEGINNING = 512
_PRODUCT = re.compile(rb'"product_id"\s*:\s*"([0-9A-Za-z._-]{1,64})"')
_TYPE = re.compile(rb'"type"\s*:\s*"([0-9A-Za-z_]{1,32})"')


class _Names(msgspec.Struct):
    product_id: Any = None
    type: str | None = None


_names = msgspec.json.Decoder(_Names).decode
_KNOWN_TYPES = {known.__struct_config__.tag for known in Known.__args__}
_LEVEL3: dict[str, type[Message]] = {
    "open": m.Level3Open,
    "done": m.Level3Done,
    "match": m.Level3Match,
    "change": m.Level3Change,
    "noop": m.Level3Noop,
}
LEVEL3_SCHEMA = (
    b'{"type":"level3","schema":{"change":["type","product_id","sequence","order_id","price","size","time"],"done":'
    b'["type","product_id","sequence","order_id","time"],"match":["type","product_id","sequence","maker_order_id",'
    b'"taker_order_id","price","size","time"],"noop":["type","product_id","sequence","time"],"open":["type",'
    b'"product_id","sequence","order_id","side","price","size","time"]}}'
)
"""The documented layout, for stored frames without their own schema in the selection."""

_DIGITS = re.compile("[0-9]{1,19}").fullmatch


@cache  # it takes milliseconds to make, which a program without frames does not need
def _known() -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(Known)


# Numbers stay exact, and no exponent is too much for them.
_decode_all = msgspec.json.Decoder(float_hook=Decimal).decode
# The largest books have some 600,000 prices and sizes. One value takes up to 150 bytes when it is decoded.
MOST_VALUES = 2_000_000
_LONGEST_FIELD = 256
_NONE = msgspec.Raw()


class _Named(msgspec.Struct):
    type: msgspec.Raw = _NONE
    product_id: msgspec.Raw = _NONE
    sequence: msgspec.Raw = _NONE
    time: msgspec.Raw = _NONE


_decode_named = msgspec.json.Decoder(_Named).decode


def _decode_any(raw: bytes) -> _Content:
    """The content of *raw*; raises `UNDECODED`.

    Decoded without a schema, JSON takes up to thirty times its size of memory. So of a frame of more than four
    megabytes only the fields that name it are decoded; an array of that size is none that is known.
    """
    if len(raw) <= LONG:
        return _decode_all(raw)
    try:
        named = _decode_named(raw)
    except msgspec.ValidationError:  # no object
        return []
    texts = {name: bytes(getattr(named, name)) for name in named.__struct_fields__}
    return {name: _decode_all(text) for name, text in texts.items() if 0 < len(text) <= _LONGEST_FIELD}


class ExchangeDecoder:
    """Decodes the frames of one connection, because a level3 schema is valid for one connection only.

    *quick* is for ASCII of a known type with times in microseconds, of at most `LONG` bytes. It raises `UNDECODED` for
    any other frame.
    """

    __slots__ = ("_layouts", "quick")

    def __init__(self) -> None:
        self._layouts: dict[str, tuple[str, ...]] = {}
        self.quick = _known().decode

    def decode(self, raw: bytes) -> Message | Malformed:
        """The message in *raw*; `Unknown` for an unknown type; `Malformed` for a frame that is not a message.

        An optional field that is null, or an empty text, is absent. A listed type with over two million values is
        `Malformed`: they would take 300 MB. Never raises, and leaves the message's origin (receipt time, epoch) to the
        caller.

            >>> from rxfeed.venues.coinbase_exchange import ExchangeDecoder
            >>> ExchangeDecoder().decode(b'{"type":"error","message":"Failed to subscribe"}')
            ExchangeError(message='Failed to subscribe')
            >>> ExchangeDecoder().decode(b'{"type":').reason
            'not JSON: Input data was truncated'
            >>> ExchangeDecoder().decode(b'{"type":"match","product_id":"BTC-USD"}').product_id
            'BTC-USD'
        """
        try:
            if not raw.isascii():
                raw.decode()  # msgspec skips values without a field, invalid UTF-8 included
            if len(raw) > LONG and raw.count(b",") > MOST_VALUES:
                raise msgspec.ValidationError(f"over {MOST_VALUES:,} values")
            return self.quick(raw if raw[ENDING] == PLAIN or ends_with_microseconds(raw) else in_microseconds(raw))
        except msgspec.ValidationError as error:
            return self._other(raw, error)
        except UNDECODED as error:
            return _malformed(raw, f"not JSON: {error}", error)

    def _other(self, raw: bytes, error: msgspec.ValidationError) -> Message | Malformed:
        try:
            content = _decode_any(in_microseconds(raw))
        except UNDECODED as broken:
            return _malformed(raw, f"not JSON: {broken}", broken)
        if isinstance(content, list):
            return self._level3(raw, content)
        if not isinstance(content, dict):
            return Malformed(raw, f"wrong shape: {error}")
        kind, product = content.get("type"), named_product(content.get("product_id"))
        if not isinstance(kind, str):
            return Malformed(raw, f"wrong shape: {error}", 0, product)
        if kind not in _KNOWN_TYPES and kind != "level3":
            return _unknown(kind, content)
        try:
            return self._schema(content) if kind == "level3" else msgspec.convert(_without_blanks(content), Known)
        except UNDECODED as wrong:
            return Malformed(raw, f"wrong shape: {wrong if kind == 'level3' else error}", 0, product, kind)

    def _schema(self, content: dict[str, object]) -> Message:
        layouts = msgspec.convert(content.get("schema"), dict[str, tuple[str, ...]])
        self._layouts = layouts
        return m.Level3Schema(schema=tuple(layouts.items()))

    def _level3(self, raw: bytes, content: list[object]) -> Message | Malformed:
        kind = content[0] if content and isinstance(content[0], str) else ""
        layout = self._layouts.get(kind)
        if layout is None or len(layout) != len(content):
            # The documented layouts have the product in the second place.
            product = named_product(content[1]) if len(content) > 1 else None
            reason = "an array that no level3 schema describes"
            if layout is not None:
                reason = f"level3 {kind} has {len(content)} places, its schema {len(layout)}"
            return Malformed(raw, f"wrong shape: {reason}", 0, product, kind or None)
        fields = dict(zip(layout, content, strict=True))
        product = named_product(fields.get("product_id"))
        if kind not in _LEVEL3:
            return _unknown(kind, fields, level3=True)
        try:
            return msgspec.convert(fields, _LEVEL3[kind], strict=False)
        except UNDECODED as error:
            return Malformed(raw, f"wrong shape: {error}", 0, product, kind)


def named_product(value: object) -> str | None:
    """*value*, if it can be a product's name."""
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME else None


def names_in(beginning: bytes) -> tuple[str | None, str | None]:
    """The product and the type in the *beginning* of a frame that was not read completely."""
    product, kind = _PRODUCT.search(beginning), _TYPE.search(beginning)
    return None if product is None else product[1].decode(), None if kind is None else kind[1].decode()


class FrameNumbers(NamedTuple):
    """Product, sequence and trade id of a frame that is not a message. *level3*: it is an array of that channel."""

    product_id: str | None = None
    sequence: int | None = None
    trade_id: int | None = None
    level3: bool = False


def numbers_in(raw: bytes) -> FrameNumbers:
    """The numbers of a frame that is not a message, as far as they can be read.

    >>> from rxfeed.venues.coinbase_exchange.decode import numbers_in
    >>> numbers_in(b'{"type":"match","product_id":"BTC-USD","sequence":7,"trade_id":5,"price":"NaN"}')
    FrameNumbers(product_id='BTC-USD', sequence=7, trade_id=5, level3=False)
    >>> numbers_in(b'["open","BTC-USD","8"]'), numbers_in(b"nonsense").product_id
    (FrameNumbers(product_id='BTC-USD', sequence=8, trade_id=None, level3=True), None)
    """
    try:
        content = _decode_any(raw)
    except UNDECODED:
        return FrameNumbers()
    if isinstance(content, list):  # the documented layouts have the product in the second place
        product, sequence = content[1:3] if len(content) > 2 else (None, None)
        return FrameNumbers(named_product(product), _sequence(sequence, text=True), level3=True)
    if not isinstance(content, dict):
        return FrameNumbers()
    trade_id = content.get("trade_id") if content.get("type") == "match" else None
    return FrameNumbers(
        named_product(content.get("product_id")), _sequence(content.get("sequence")), _sequence(trade_id)
    )


def _malformed(raw: bytes, reason: str, error: Exception) -> Malformed:
    """What cannot be parsed names a product only if JSON is all it lacks: good UTF-8, or less depth."""
    if isinstance(error, RecursionError):
        return Malformed(raw, reason, 0, *names_in(raw[:_BEGINNING]))
    if isinstance(error, UnicodeDecodeError):
        with suppress(*UNDECODED):
            names = _names(raw.decode(errors="replace").encode())
            product = named_product(names.product_id)
            if product is not None and "\ufffd" in product:  # the bytes of the name itself: it can be any product
                product = None
            return Malformed(raw, reason, 0, product, names.type)
    return Malformed(raw, reason)


def _without_blanks(content: dict[str, object]) -> dict[str, object]:
    """*content* without its nulls and empty texts, and a thin market's snapshot without its levels that are null."""
    if content["type"] == "snapshot":
        sides = {name: _levels(content[name]) for name in ("bids", "asks") if name in content}
        content = content | sides
    return {name: value for name, value in content.items() if value is not None and value != ""}


def _levels(side: object) -> object:
    if side is None:
        return []
    return [each for each in side if not _blank(each)] if _is_list(side) else side


def _is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


def _blank(level: object) -> bool:
    return level is None or (_is_list(level) and any(each is None for each in level))


def _unknown(kind: str, fields: dict[str, object], level3: bool = False) -> Unknown:
    """A message of an unknown type; its product and sequence are used if they are valid."""
    product, sequence = named_product(fields.get("product_id")), _sequence(fields.get("sequence"), text=level3)
    return Unknown(type=kind, product_id=product, sequence=sequence, level3=level3)


def _sequence(value: object, *, text: bool = False) -> int | None:
    """*value*, if it can be a sequence; *text*: it may be a text."""
    if text and isinstance(value, str) and _DIGITS(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        return None
    return value
