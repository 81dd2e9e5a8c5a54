"""Short texts of messages, for people: `str` of a message. `repr` has all fields with all digits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from rxfeed.market.message import Message

_LISTED = 3
"""The items of a tuple that are shown."""
_LONGEST = 40
"""The characters of a text that are shown."""
# They name no content, and are in `repr`.
_LEFT_OUT = {
    "_origin",
    "product_id",
    "time",
    "sequence",
    "sequence_num",
    "maker_order_id",
    "taker_order_id",
    "maker_user_id",
}


def iso(time: datetime) -> str:
    """*time* as ISO 8601 in UTC, with a fraction only if it has one.

    >>> from rxfeed.market import iso
    >>> from rxfeed.testing import NOON
    >>> iso(NOON), iso(NOON.replace(microsecond=500_000))
    ('2026-01-02T12:00:00Z', '2026-01-02T12:00:00.5Z')
    """
    text = time.isoformat().removesuffix("+00:00")
    text = text.rstrip("0") if time.microsecond else text
    return text if time.utcoffset() else f"{text}Z"


def exact(value: object) -> str:
    """*value* in a `repr`: a Decimal with all its digits, a time in ISO 8601, both without their types' names."""
    if isinstance(value, Decimal):
        return f"{value:f}" if abs(value.adjusted()) < 40 else str(value)
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, tuple):
        items = [exact(item) for item in cast("tuple[object, ...]", value)]
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    return repr(value)


def summary(message: Message) -> str:
    """The type, product, time and content of *message* in one line; of a long list its beginning and its length.

    >>> from rxfeed.market.shown import summary
    >>> from rxfeed.testing import trade
    >>> summary(trade("9.10", 2, trade_id=7))
    'Match BTC-USD 2026-01-02T12:00:00Z trade_id 7 taker_side buy price 9.10 size 2'
    """
    return " ".join(_words(message))


def _words(message: Message) -> Iterator[str]:
    yield type(message).__name__
    if message.product_id is not None:
        yield message.product_id
    if message.time is not None:
        yield iso(message.time)
    for name in message.__struct_fields__:
        value = None if name in _LEFT_OUT else getattr(message, name)
        taker_side = getattr(message, "taker_side", None) if name == "side" else None
        if taker_side is not None:  # on the wire, `side` may be that of the maker
            name, value = "taker_side", taker_side
        if value is not None and value is not False:
            yield name if value is True else f"{name} {_text(value)}"


def _text(value: object) -> str:
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 3]}..."
    if not isinstance(value, tuple):
        return exact(value)
    items = cast("tuple[object, ...]", value)
    shown = [_item(item) for item in items[:_LISTED]]
    more = [f"and {len(items) - _LISTED:,} more"] if len(items) > _LISTED else []
    return f"[{', '.join([*shown, *more])}]"


def _item(item: object) -> str:
    """An item of a list; of a level or a change `buy 99 x 3`."""
    if not isinstance(item, tuple):
        return _text(item)
    parts = cast("tuple[object, ...]", item)
    numbers = " x ".join(exact(each) for each in parts if isinstance(each, Decimal))
    return " ".join([*(_text(each) for each in parts if not isinstance(each, Decimal)), numbers])
