"""Messages as MongoDB documents; each call makes a new one, and the message stays as it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from bson import Decimal128, Int64

from rxfeed.messages import Message, Unknown

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


def typed_document(message: Message) -> dict[str, Any]:
    """The message's fields: numbers as Decimal128, times as dates, with `received` and `epoch`; `None`s are left out.

    MongoDB's dates have milliseconds, so `time_us` and `received_ns` (Unix micro- and nanoseconds) keep the rest.
    An `Unknown` message is its frame, as sent.
    """
    document: dict[str, Any]
    if isinstance(message, Unknown):
        document = raw_document(message)
    else:
        document = {"type": message.type}
        for name in message.__struct_fields__:
            value = getattr(message, name)
            if value is not None and name != "_origin":
                document[name] = _bson(value)
        if message.time is not None:
            document["time_us"] = Int64((message.time - _EPOCH) // _US)
    document["received"] = message.received
    document["received_ns"] = Int64(message.received_ns)
    document["epoch"] = message.epoch
    return document


def raw_document(message: Message) -> dict[str, Any]:
    """The frame exactly as the exchange sent it, text as text; an array of level3 stands under `level3`."""
    content = message.content
    return content if isinstance(content, dict) else {"type": message.type, "level3": content}


def _bson(value: Any) -> Any:
    if isinstance(value, Decimal):
        return Decimal128(value)
    if isinstance(value, tuple):
        return [_bson(each) for each in value]
    if isinstance(value, msgspec.Struct):
        return {name: _bson(each) for name in value.__struct_fields__ if (each := getattr(value, name)) is not None}
    return value
