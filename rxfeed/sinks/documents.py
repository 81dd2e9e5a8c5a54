"""Converts messages to MongoDB documents. Each call makes a new document; the message is not changed.

The keys `_id`, `received`, `received_ns`, `epoch` and `arrival` are reserved for the sink. If a frame that is stored as
sent has such a key itself, it is moved into the sub-document `_wire`, and `from_mongo` restores it.
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

from rxfeed.market import Message, Unknown, frame_of, microseconds
from rxfeed.sinks.bson_types import Document
from rxfeed.venues import ARRAY_KEY, tag_of

_decode = msgspec.json.Decoder().decode
_Converter = Callable[[Decimal], Decimal128] | Callable[[tuple[object, ...]], list[object]]

WIRE = "_wire"
"""The key of the sub-document with the frame's own keys of reserved names."""
# A raw document has no receipt and no epoch, so their names are not reserved in it; `level3` contains an array frame.
_RESERVED_RAW = frozenset(("_id", "received_ns", "arrival", ARRAY_KEY, WIRE))
RESERVED = _RESERVED_RAW | {"received", "epoch"}
MOST_BYTES = 16 * 1024 * 1024
"""MongoDB's limit for a document."""


def typed_document(message: Message) -> Document:
    """The message's fields: numbers as Decimal128, times as dates, with `received` and `epoch`; `None`s are left out.

    MongoDB's dates have milliseconds, so `time_us` and `received_ns` have all digits (Unix micro- and nanoseconds).
    The document of an `Unknown` message is its frame as sent, with keys of reserved names in `_wire`.
    """
    document: Document
    if isinstance(message, Unknown):
        document = _apart(message, _content(message), RESERVED)
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


def raw_document(message: Message) -> Document:
    """The frame exactly as the exchange sent it, text as text; a level3 array is in `level3`.

    Keys of reserved names (`_id`, `received_ns`, `arrival`, `level3`) are in `_wire`.
    """
    content = _content(message)
    # Five look-ups for the five reserved names cost a fifth of what comparing two sets of names does.
    if (
        type(content) is dict
        and "_id" not in content
        and "received_ns" not in content
        and "arrival" not in content
        and ARRAY_KEY not in content
        and WIRE not in content
    ):
        return content
    return _apart(message, content, _RESERVED_RAW)


def _content(message: Message) -> object:
    raw = frame_of(message)
    if len(raw) > MOST_BYTES:  # without a schema, decoding it can need thirty times that memory
        raise ValueError(
            f"the frame has {len(raw):,} bytes, more than MongoDB's limit of {MOST_BYTES:,} for a document"
        )
    return _decode(raw)


def _apart(message: Message, content: object, reserved: frozenset[str]) -> Document:
    """*content* with its keys that are *reserved* under `_wire`."""
    if not isinstance(content, dict):
        return {"type": message.type, ARRAY_KEY: content}
    if not content.keys().isdisjoint(reserved):
        own = {name: content.pop(name) for name in tuple(content) if name in reserved}
        content[WIRE] = own
    return content


def frame_content(document: Mapping[str, object]) -> object:
    """The content of the frame of a typed or a raw document."""
    if isinstance(document.get(ARRAY_KEY), list):
        return document[ARRAY_KEY]
    # Documents of earlier versions have no `_wire` of the sink; that key is the frame's own.
    own = document.get(WIRE)
    moved = own if isinstance(own, Mapping) and own and RESERVED.issuperset(own) else {}
    removed = {"_id"}
    if moved:
        removed.add(WIRE)
    if "received_ns" in document:  # a typed one
        removed |= RESERVED - {ARRAY_KEY, WIRE}
    return {name: value for name, value in document.items() if name not in removed} | dict(moved)


def decimal128(value: Decimal) -> Decimal128:
    """*value* to the last digit; raises `decimal.Inexact` if it has more than 34 digits.

    >>> decimal128(Decimal("80691.530"))
    Decimal128('80691.530')
    """
    return _decimal128(str(value))


@lru_cache(1 << 16)  # prices and sizes repeat
def _decimal128(text: str) -> Decimal128:
    # bson takes 7 times as long; it converts only what is not plain.
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
) -> tuple[str, Callable[[Message], tuple[Any, ...]], tuple[tuple[str, _Converter | None], ...], tuple[str, ...]]:
    """The type's name, a getter of all its fields, the fields' names and converters, and the names of times."""
    hints = get_type_hints(kind)
    names = [name for name in kind.__struct_fields__ if name != "_origin"]
    parts = {name: {hints[name], *get_args(hints[name])} for name in names}
    converters = {
        name: decimal128 if Decimal in parts[name] else _sequence if any(map(_is_tuple, parts[name])) else None
        for name in names
    }
    times = tuple(name for name in names if datetime in parts[name])
    return tag_of(kind), attrgetter(*names), tuple(converters.items()), times


def _is_tuple(hint: object) -> bool:
    return get_origin(hint) is tuple


def _sequence(value: tuple[object, ...]) -> list[object]:
    return [_nested(each) for each in value]


def _nested(value: object) -> object:
    if isinstance(value, Decimal):
        return decimal128(value)
    if isinstance(value, tuple):
        return [_nested(each) for each in value]
    if isinstance(value, msgspec.Struct):
        return {name: _nested(each) for name in value.__struct_fields__ if (each := getattr(value, name)) is not None}
    return value
