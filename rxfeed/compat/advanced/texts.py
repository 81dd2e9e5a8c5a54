"""Numbers and times as Coinbase Exchange writes them, which old scripts parse with fixed formats."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

_DIGITS = 8
NO_SIZE = "0.00000000"


def price_text(price: Decimal | None) -> str:
    """*price* as it was sent, without an exponent; `0` for none.

    >>> from decimal import Decimal
    >>> from rxfeed.compat.advanced.texts import price_text
    >>> price_text(Decimal("60000.5")), price_text(Decimal("6E+4")), price_text(None)
    ('60000.5', '60000', '0')
    """
    return "0" if price is None else f"{price:f}"


def size_text(size: Decimal | None) -> str:
    """*size* with eight digits after the point, or more if it has more.

    >>> from decimal import Decimal
    >>> from rxfeed.compat.advanced.texts import size_text
    >>> size_text(Decimal("0.7")), size_text(Decimal("0")), size_text(Decimal("1E-9"))
    ('0.70000000', '0.00000000', '0.000000001')
    """
    if size is None:
        return NO_SIZE
    exponent = size.as_tuple().exponent
    exact = isinstance(exponent, int) and exponent < -_DIGITS
    return f"{size:f}" if exact else f"{size:.8f}"


def time_text(time: datetime | None) -> str:
    """*time* in UTC, with microseconds; empty for none.

    >>> from datetime import UTC, datetime
    >>> from rxfeed.compat.advanced.texts import time_text
    >>> time_text(datetime(2026, 1, 2, 12, tzinfo=UTC))
    '2026-01-02T12:00:00.000000Z'
    """
    return "" if time is None else f"{time.astimezone(UTC).isoformat(timespec='microseconds')[:26]}Z"


def decimals(*numbers: Decimal | None) -> int:
    """The most digits after the point of *numbers*.

    >>> from decimal import Decimal
    >>> from rxfeed.compat.advanced.texts import decimals
    >>> decimals(Decimal("1.50"), None, Decimal("2E+3"))
    2
    """
    exponents = [each.as_tuple().exponent for each in numbers if each is not None]
    return max((-each for each in exponents if isinstance(each, int)), default=0) if exponents else 0
