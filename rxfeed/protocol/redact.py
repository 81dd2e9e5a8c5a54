"""Secrets taken out of what a server says, which may repeat what it was told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from rxfeed.protocol.secret import SHOWN, Secret, revealed

REDACTED = SHOWN


def redacted(raw: bytes, secrets: Sequence[str | Secret]) -> bytes:
    """*raw* with `[redacted]` in place of each of *secrets*; *raw* itself where there is none in it.

    In JSON they are found however they are escaped, and all of it is then written anew; only the value of a `type`
    stays as it is, so that a message remains what it was.

        >>> redacted(b'{"type":"error", "reason":"bad key: \\\\u0061bc"}', ["abc"])
        b'{"type":"error","reason":"bad key: [redacted]"}'
    """
    shapes = _Shapes(secrets)
    if b"\\" not in raw and not shapes.stand_in(raw):
        return raw

    try:
        content = msgspec.json.decode(raw)
        cleaned = _each_text(content, shapes.cleaned)
        return raw if cleaned == content else msgspec.json.encode(cleaned)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return shapes.cleaned_bytes(raw)


class _Shapes:
    """What secrets look like in a message; no method of it can raise, so that no traceback has them."""

    __slots__ = ("_shapes",)

    def __init__(self, secrets: Sequence[str | Secret]) -> None:
        # As they are in JSON, too: a text may hold JSON.
        quoted = [msgspec.json.encode(revealed(each)).decode()[1:-1] for each in secrets]
        shapes = {*map(revealed, secrets), *quoted, *(each.replace("/", "\\/") for each in quoted)}
        # The longest first: one may be a part of another.
        self._shapes = sorted(filter(None, shapes), key=len, reverse=True)

    def stand_in(self, raw: bytes) -> bool:
        return any(shape.encode() in raw for shape in self._shapes)

    def cleaned(self, text: str) -> str:
        for shape in self._shapes:
            text = text.replace(shape, REDACTED)
        return text

    def cleaned_bytes(self, raw: bytes) -> bytes:
        for shape in self._shapes:
            raw = raw.replace(shape.encode(), REDACTED.encode())
        return raw


def speechless(raw: bytes) -> bytes:
    """*raw*, JSON, with `[redacted]` for each text that is a value: for when nobody knows what the secrets are.

    >>> speechless(b'{"type":"error","reason":"bad key: abc","code":3}')
    b'{"type":"error","reason":"[redacted]","code":3}'
    """
    return msgspec.json.encode(_each_text(msgspec.json.decode(raw), lambda text: REDACTED, names=False))


def _each_text(content: Any, clean: Callable[[str], str], *, names: bool = True) -> Any:
    if isinstance(content, str):
        return clean(content)
    if isinstance(content, dict):
        return {
            clean(name) if names else name: value if name == "type" else _each_text(value, clean, names=names)
            for name, value in content.items()
        }
    if isinstance(content, list):
        return [_each_text(each, clean, names=names) for each in content]
    return content
