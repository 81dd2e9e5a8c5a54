"""Messages as MongoDB documents; each call makes a new one, and the message stays as it was.

Some keys of a document are the sink's: `_id`, `received`, `received_ns`, `epoch`, `arrival`. If a frame that is stored
as it was sent has such a key itself, that key stands in a sub-document, `_wire`, and `from_mongo` puts it back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from bson import Decimal128

from rxfeed.market import Message, Unknown, microseconds
from rxfeed.venues import ARRAY_KEY, tag_of

_decode = msgspec.json.Decoder().decode

WIRE = "_wire"
"""The key of the sub-document that has the frame's own keys of reserved names."""
# A raw document has no receipt and no epoch, so that these names are free in it; `level3` stands for a frame's array.
_RESERVED_RAW = frozenset(("_id", "received_ns", "arrival", ARRAY_KEY, WIRE))
RESERVED = _RESERVED_RAW | {"received", "epoch"}


def typed_document(message: Message) -> dict[str, Any]:
    """The message's fields: numbers as Decimal128, times as dates, with `received` and `epoch`; `None`s are left out.

    MongoDB's dates have milliseconds, so `time_us` and `received_ns` (Unix micro- and nanoseconds) keep the rest.
    An `Unknown` message is its frame, as sent; keys of reserved names stand under `_wire`.
    """
    document: dict[str, Any]
    if isinstance(message, Unknown):
        document = _content(message, RESERVED)
    else:
        kind, values, fields, times = _plan(type(message))
        document = {"type": kind}
        for (name, convert), value in zip(fields, values(message), strict=True):
            if value is not None:
                document[name] = value if convert is None else convert(value)
        for name in times:
            if name in document:
                document[name + "_us"] = microseconds(document[name])
    document["received"] = message.received
    document["received_ns"] = message.received_ns
    document["epoch"] = message.epoch
    return document


def raw_document(message: Message) -> dict[str, Any]:
    """The frame exactly as the exchange sent it, text as text; an array of level3 stands under `level3`.

    Keys of reserved names (`_id`, `received_ns`, `arrival`, `level3`) stand under `_wire`.
    """
    return _content(message, _RESERVED_RAW)


def _content(message: Message, reserved: frozenset[str]) -> dict[str, Any]:
    content = _decode(message.raw)
    if not isinstance(content, dict):
        return {"type": message.type, ARRAY_KEY: content}
    if not reserved.isdisjoint(content):
        own = {name: content.pop(name) for name in tuple(content) if name in reserved}
        content[WIRE] = own
    return content


def frame_content(document: Mapping[str, Any]) -> Any:
    """The frame's content again, of a typed or a raw document."""
    if isinstance(document.get(ARRAY_KEY), list):
        return document[ARRAY_KEY]
    # Documents of earlier versions have no `_wire`; what they have under that name is the frame's.
    own = document.get(WIRE)
    moved = own if isinstance(own, Mapping) and own and RESERVED.issuperset(own) else {}
    removed = {"_id"}
    if moved:
        removed.add(WIRE)
    if "received_ns" in document:  # a typed one
        removed |= RESERVED - {ARRAY_KEY, WIRE}
    return {name: value for name, value in document.items() if name not in removed} | dict(moved)


def decimal128(value: Decimal) -> Decimal128:
    """*value* to the last digit; `decimal.Inexact` where 34 digits do not do.

    >>> decimal128(Decimal("80691.530"))
    Decimal128('80691.530')
    """
    return _decimal128(str(value))


@lru_cache(1 << 16)  # prices and sizes come again and again
def _decimal128(text: str) -> Decimal128:
    # What bson does takes 7 times as long; it is asked about everything that is not plain.
    digits, _, power = text.partition("E")
    whole, _, part = digits.partition(".")
    try:
        significand, exponent = int(whole + part), int(power or 0) - len(part)
    except ValueError:
        return Decimal128(Decimal(text))
    if significand <= 0 or significand >= 10**34 or not -6176 <= exponent <= 6111:
        return Decimal128(Decimal(text))
    return Decimal128.from_bid((exponent + 6176 << 113 | significand).to_bytes(16, "little"))


@cache
def _plan(
    kind: type[Message],
) -> tuple[str, Callable[[Message], Any], tuple[tuple[str, Callable[[Any], Any] | None], ...], tuple[str, ...]]:
    """A type's name, what gets its fields' values at once, their names and converters, and which of them are times."""
    hints = get_type_hints(kind)
    names = [name for name in kind.__struct_fields__ if name != "_origin"]
    parts = {name: {hints[name], *get_args(hints[name])} for name in names}
    converters = {
        name: decimal128 if Decimal in parts[name] else _sequence if any(map(_is_tuple, parts[name])) else None
        for name in names
    }
    times = tuple(name for name in names if datetime in parts[name])
    return tag_of(kind), attrgetter(*names), tuple(converters.items()), times


def _is_tuple(hint: Any) -> bool:
    return get_origin(hint) is tuple


def _sequence(value: tuple[Any, ...]) -> list[Any]:
    return [_nested(each) for each in value]


def _nested(value: Any) -> Any:
    if isinstance(value, Decimal):
        return decimal128(value)
    if isinstance(value, tuple):
        return [_nested(each) for each in value]
    if isinstance(value, msgspec.Struct):
        return {name: _nested(each) for name in value.__struct_fields__ if (each := getattr(value, name)) is not None}
    return value
