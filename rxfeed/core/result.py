"""The base of all results: a short text, an exact representation, and a table for notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import cast

import msgspec

from rxfeed.market import exact, iso

_PRICES = ("open", "high", "low", "close", "before", "price", "best_bid", "best_ask")


class Result(msgspec.Struct, frozen=True, gc=False):
    """What operators emit. `str` is short, with quotients rounded for reading; `repr` has all digits; times are ISO.

    >>> from rxfeed import fold
    >>> from rxfeed.core import Candles
    >>> from rxfeed.testing import trade
    >>> (candle,) = fold(Candles(60), [trade("9.10"), trade("9.20"), trade("9.20")])
    >>> print(candle)
    Candle BTC-USD 2026-01-02T12:00:00Z..12:01:00Z open 9.10 high 9.20 low 9.10 close 9.20 volume 3 notional 27.50 \
vwap 9.17 count 3 incomplete
    """

    def __str__(self) -> str:
        return f"{type(self).__name__} {' '.join(_words(self))}"

    def __repr__(self) -> str:
        fields = ((name, getattr(self, name)) for name in self.__struct_fields__)
        shown = (f"{name}={exact(value)}" for name, value in fields if value is not None and not name.startswith("_"))
        return f"{type(self).__name__}({', '.join(shown)})"

    def _repr_html_(self) -> str:
        fields = ((name, getattr(self, name)) for name in self.__struct_fields__ if not name.startswith("_"))
        return table(type(self).__name__, ((name, _text(self, name, value)) for name, value in fields))


def table(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """An HTML table of names and values, for notebooks; *title* and all values are escaped."""
    from html import escape  # with its table of entities, which only notebooks need

    body = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in rows
    )
    return f"<table><caption style='text-align:left'>{escape(title)}</caption><tbody>{body}</tbody></table>"


def _words(result: Result) -> Iterable[str]:
    fields = {name: getattr(result, name) for name in result.__struct_fields__ if not name.startswith("_")}
    start, end = fields.pop("start", None), fields.pop("end", None)
    yield fields.pop("product_id", "")
    if isinstance(start, datetime) and isinstance(end, datetime):
        same = start.date() == end.date()
        yield f"{iso(start)}..{iso(end)[11:] if same else iso(end)}"
    for name, value in fields.items():
        if value is True or value is False:
            if value or name == "complete":
                yield name if value else "incomplete"
        elif value is not None and not (name == "repaired" and not value):
            yield f"{name} {_text(result, name, value)}"


def _text(result: Result, name: str, value: object) -> str:
    if isinstance(value, Decimal) and name in ("vwap", "percent"):
        places = 2 if name == "percent" else price_places(result)
        return exact(value if places is None else round(value, places))
    if isinstance(value, tuple):
        return " x ".join(exact(item) for item in cast("tuple[object, ...]", value))
    if isinstance(value, Result):
        return f"({value})"
    return value if isinstance(value, str) else exact(value)


def price_places(result: object) -> int | None:
    """The decimal places of the prices in *result*; `None` if it has none."""
    prices = [price for name in _PRICES if isinstance(price := getattr(result, name, None), Decimal)]
    if prices:
        return max(map(_places, prices))
    # The sum of price times size has the places of both.
    notional, volume = getattr(result, "notional", None), getattr(result, "volume", None)
    if isinstance(notional, Decimal) and isinstance(volume, Decimal):
        return max(0, _places(notional) - _places(volume))
    return None


def _places(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
