"""Reads single fields of a frame without decoding it, in bounded memory, however long it is."""

from __future__ import annotations

import re

import msgspec

from rxfeed.market import Time, in_microseconds
from rxfeed.recording.timestamps import ns_of

_NONE = msgspec.Raw()
# The last item of a level3 frame is its time; the first two are its type and product.
_LAST_TEXT = re.compile(rb'("[^"\\]{1,48}")\s*\]\s*\Z')
_FIRST_TEXTS = re.compile(rb'\s*\[\s*("[^"\\]*")(?:\s*,\s*("[^"\\]*"))?')
_TAIL = 96
_LONGEST_NAME = 256


class _TimeField(msgspec.Struct, gc=False):
    time: Time | None = None


class _NameFields(msgspec.Struct, gc=False):
    type: msgspec.Raw = _NONE
    product_id: msgspec.Raw = _NONE


class _First(msgspec.Struct, gc=False):
    rxfeed: msgspec.Raw = _NONE
    dir: msgspec.Raw = _NONE
    type: msgspec.Raw = _NONE


_timed = msgspec.json.Decoder(_TimeField).decode
_named = msgspec.json.Decoder(_NameFields).decode
_first = msgspec.json.Decoder(_First).decode
_text = msgspec.json.Decoder(str).decode
_time = msgspec.json.Decoder(Time).decode
_value = msgspec.json.Decoder(msgspec.Raw).decode


def own_ns(frame: bytes) -> int:
    """The time in a frame, in Unix nanoseconds; 0 if it has none."""
    try:
        if frame.lstrip()[:1] != b"[":
            moment = _timed(in_microseconds(frame)).time
        else:
            last = _LAST_TEXT.search(frame[-_TAIL:])
            moment = None if last is None else _time(in_microseconds(last[1]))
    except (ValueError, RecursionError):
        return 0
    return 0 if moment is None else ns_of(moment)


def type_and_product(frame: bytes) -> tuple[str, str | None]:
    """The type (`level3 open` and so on for arrays) and the product of a frame; raises `ValueError` if not JSON."""
    if frame.lstrip()[:1] == b"[":
        texts = _FIRST_TEXTS.match(frame)
        kind, product = (None, None) if texts is None else texts.groups()
        return f"level3 {_name(kind)}", _name(product)
    try:
        named = _named(frame)
    except RecursionError as error:
        raise ValueError(str(error)) from None
    return _name(bytes(named.type)) or "", _name(bytes(named.product_id))


def first_line(line: bytes) -> str:
    """The kind of a recording's first line: `header`, `older` or `frame`; raises `ValueError` for any other."""
    try:
        if line.lstrip()[:1] == b"[":
            _value(line)
            return "frame"
        first = _first(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its first line is no JSON ({error}); it needs one JSON value a line, or one array") from None
    if bytes(first.rxfeed):
        return "header"
    if bytes(first.dir):
        return "older"
    if bytes(first.type):
        return "frame"
    raise ValueError("its first line is neither a header nor a frame")


def is_json(line: bytes | bytearray) -> bool:
    """True if *line* is one whole JSON value."""
    try:
        _value(line)
    except (ValueError, RecursionError):
        return False
    return True


def _name(text: bytes | None) -> str | None:
    """The JSON string *text* as a name; `None` if it is no valid name."""
    if not text or text[:1] != b'"' or len(text) > _LONGEST_NAME:
        return None
    return _text(text)
