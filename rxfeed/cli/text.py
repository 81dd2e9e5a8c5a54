"""Formats texts and numbers of a server safely: without control characters, and with a bound on digits."""

from __future__ import annotations

import functools
import re
from decimal import Decimal

_MOST_DIGITS = 40  # before and after the decimal point: no price or size of an exchange has more
_UNSAFE = re.compile(r"[^ -~]")


def printable(text: str) -> str:
    """*text* with a question mark for each character that could control the terminal: ANSI codes, C1, bidi, line ends.

    >>> from rxfeed.cli.text import printable
    >>> printable("not a channel\\x1b[2J")
    'not a channel?[2J'
    """
    return text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)


def json_line(raw: bytes, encoding: str) -> str:
    """The JSON text *raw* as one line of JSON, with escapes for control characters and those that *encoding* lacks.

    >>> from rxfeed.cli.text import json_line
    >>> json_line(b'{"type":"new",\\n"a":"\\xc2\\x9b2J \\xe2\\x82\\xac"}', "ascii")
    '{"type":"new", "a":"\\\\u009b2J \\\\u20ac"}'
    """
    text = raw.decode(errors="replace")
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(lambda found: _json_character(found[0], encoding), text)


@functools.lru_cache(maxsize=1024)
def _json_character(character: str, encoding: str) -> str:
    if character in "\t\n\r":  # white space between tokens: inside a string JSON does not allow it
        return " "
    if character.isprintable():
        try:
            character.encode(encoding)
        except UnicodeEncodeError:
            pass
        else:
            return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in zip(units[::2], units[1::2], strict=True))


def shortened(text: str, room: int) -> str:
    """*text* in at most *room* characters, with an ellipsis in the middle: begin and end of a path name it.

    >>> from rxfeed.cli.text import shortened
    >>> shortened("/srv/market-data/2026/recordings/btc", 21), shortened("recordings", 21)
    ('/srv/mark...dings/btc', 'recordings')
    """
    if len(text) <= room:
        return text
    kept = max(2, room - 3)
    return f"{text[: kept // 2]}...{text[len(text) - (kept + 1) // 2 :]}"


def plain_number(number: Decimal) -> str:
    """*number* in full, or in exponent notation if it has more than 40 digits on a side of the point.

    >>> from decimal import Decimal
    >>> from rxfeed.cli.text import plain_number
    >>> plain_number(Decimal("0.00001")), plain_number(Decimal("1.50")), plain_number(Decimal("1e999999999"))
    ('0.00001', '1.50', '1.00E+999999999')
    """
    return f"{number:f}" if _is_short(number) else _with_exponent(number)


def rounded_number(number: Decimal, places: int = 2, sign: str = "") -> str:
    """*number* with thousands separators and *places* decimal places; in exponent notation as `plain_number`.

    >>> from decimal import Decimal
    >>> from rxfeed.cli.text import rounded_number
    >>> rounded_number(Decimal("60001.234")), rounded_number(Decimal("2.5"), 3, "+"), rounded_number(Decimal("1e50"))
    ('60,001.23', '+2.500', '1.00E+50')
    """
    return f"{number:{sign},.{places}f}" if _is_short(number) else _with_exponent(number)


def _is_short(number: Decimal) -> bool:
    if not number.is_finite():
        return len(number.as_tuple().digits) <= _MOST_DIGITS
    # `adjusted` is the exponent of the first digit, the tuple's that of the last one.
    exponent = number.as_tuple().exponent
    return number.adjusted() < _MOST_DIGITS and isinstance(exponent, int) and exponent >= -_MOST_DIGITS


def _with_exponent(number: Decimal) -> str:
    return f"{number:.2E}" if number.is_finite() else "NaN"
