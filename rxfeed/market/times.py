"""Rewrites times in frames that msgspec reads differently from rxfeed.

Rules:
- A time has microseconds. msgspec rounds finer times, perhaps into the next minute; here they are truncated.
- A leap second (`:60`), which msgspec and `datetime` reject, is the last microsecond of its minute.
- Nearly every frame ends with its only time, in microseconds. Then two bytes show that nothing has to be rewritten:
  `frame[ENDING] == PLAIN`. If other fields follow the time (a ticker), `ends_with_microseconds` checks the last byte of
  the time. Any other frame is searched by `finer`, which costs most.
"""

from __future__ import annotations

import re

import msgspec

UNDECODED = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError)
"""The exceptions of decoding a frame; msgspec's `ValidationError` is not a `ValueError` up to version 0.20."""

# ,"time":"2021-04-17T16:43:37.177686Z"}   A comma 38 bytes before the end, and a Z 3 bytes before it. No key of a time
# is shorter than "time", so that with more digits after the point the comma stands elsewhere.
ENDING = slice(-38, None, 35)
PLAIN = b",Z"

LONG = 1 << 22
"""Bytes of a frame: its values are counted before it is decoded if it is longer. Nearly all are shorter."""

finer = re.compile(rb"T[0-9:]{8}\.[0-9]{7}").search
"""Finds a time with more than six digits after the point, as the exchange writes times; one call of C.

In a feed, times with `t` or a space in place of `T` are left to msgspec, which rounds: a search for these, too,
takes two to nine times as long.
"""
_KEY = b'"time":"'
_LAST = len(_KEY) + len("2021-04-17T16:43:37.177686")
_odd = re.compile(rb":(?:[0-9]{2}\.[0-9]{7}|60)").search

_TIME = (
    rb'"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:)'  # up to the seconds
    rb"(?:([0-5][0-9]\.[0-9]{6})[0-9]+|60(?:\.[0-9]+)?)"
    rb'(?=(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})")'
)
_NAMED = re.compile(rb'("(?:time|timestamp|updated)"\s*:\s*' + _TIME)
_PLACED = re.compile(rb"([,\[]\s*" + _TIME)


def ends_with_microseconds(frame: bytes) -> bool:
    """True if the last field `"time"` of *frame* has six digits after the point or fewer, and is in UTC.

    >>> from rxfeed.market import ends_with_microseconds
    >>> ends_with_microseconds(b'{"time":"2026-01-02T23:59:59.999999Z","trade_id":1}')
    True
    """
    # Text in JSON has no quote without a backslash before it, so that this is a key, and none of another name.
    at = frame.rfind(_KEY) + _LAST
    return at >= _LAST and frame[at : at + 1] == b"Z"


def in_microseconds(frame: bytes) -> bytes:
    """*frame* with its times rewritten by the rules above; the same object if nothing changes.

    >>> from rxfeed.market import in_microseconds
    >>> in_microseconds(b'{"time":"2026-01-02T23:59:59.9999998Z"}')
    b'{"time":"2026-01-02T23:59:59.999999Z"}'
    >>> in_microseconds(b'{"time":"2026-12-31T23:59:60.5Z"}')
    b'{"time":"2026-12-31T23:59:59.999999Z"}'
    """
    if not _odd(frame):
        return frame
    # In the arrays of level3 values have no names.
    times = _PLACED if frame.lstrip()[:1] == b"[" else _NAMED
    return times.sub(_cut, frame)


def _cut(time: re.Match[bytes]) -> bytes:
    return time[1] + (time[2] or b"59.999999")
