"""Numbers and times as Advanced Trade writes them: without trailing zeros, in the way of Go's formats."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

NANOSECONDS = 10**9


def trimmed(text: str) -> str:
    """A decimal number without zeros at its end.

    >>> from rxfeed.sim.coinbase_advanced.texts import trimmed
    >>> [trimmed(text) for text in ("0.70000000", "60000.00", "100", "0.00000000")]
    ['0.7', '60000', '100', '0']
    """
    return text.rstrip("0").rstrip(".") if "." in text else text


def plain(number: Decimal) -> str:
    """A number without an exponent and without zeros at its end.

    >>> from decimal import Decimal
    >>> from rxfeed.sim.coinbase_advanced.texts import plain
    >>> plain(Decimal("1E+3")), plain(Decimal("0.0250"))
    ('1000', '0.025')
    """
    return trimmed(f"{number:f}")


def trimmed_time(text: str) -> str:
    """A time with a fraction, without zeros at its end.

    >>> from rxfeed.sim.coinbase_advanced.texts import trimmed_time
    >>> trimmed_time("2026-08-09T21:05:38.504360Z"), trimmed_time("2026-08-09T21:05:38.000000Z")
    ('2026-08-09T21:05:38.50436Z', '2026-08-09T21:05:38Z')
    """
    return trimmed(text[:-1]) + "Z"


def nano_time(nanos: int) -> str:
    """The time of a message, from Unix nanoseconds.

    >>> from rxfeed.sim.coinbase_advanced.texts import nano_time
    >>> nano_time(1_786_309_548_228_568_800)
    '2026-08-09T21:05:48.2285688Z'
    """
    return f"{_digits(nanos, 'T')}Z"


def go_time(nanos: int, uptime: int) -> str:
    """A time as Go prints it, with the nanoseconds since the server's start.

    >>> from rxfeed.sim.coinbase_advanced.texts import go_time
    >>> go_time(1_786_309_548_854_840_045, 41_691_260_485_341)
    '2026-08-09 21:05:48.854840045 +0000 UTC m=+41691.260485341'
    """
    return f"{_digits(nanos, ' ')} +0000 UTC m=+{uptime // NANOSECONDS}.{uptime % NANOSECONDS:09d}"


def _digits(nanos: int, between: str) -> str:
    seconds, fraction = divmod(nanos, NANOSECONDS)
    moment = datetime.fromtimestamp(seconds, UTC).strftime(f"%Y-%m-%d{between}%H:%M:%S")
    return trimmed(f"{moment}.{fraction:09d}")
