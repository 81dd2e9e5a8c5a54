"""Secrets taken out of what a server says, which may repeat what it was told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

REDACTED = "[redacted]"


def redacted(raw: bytes, secrets: Sequence[str]) -> bytes:
    """*raw* with `[redacted]` in place of each of *secrets*; *raw* itself where there is none in it.

    In JSON they are found however they are escaped, and all of it is then written anew; only the value of a `type`
    stays as it is, so that a message remains what it was.

        >>> redacted(b'{"type":"error", "reason":"bad key: \\\\u0061bc"}', ["abc"])
        b'{"type":"error","reason":"bad key: [redacted]"}'
    """
    # The longest first: one may be a part of another. As they are in JSON, too: a text may hold JSON.
    quoted = [msgspec.json.encode(secret).decode()[1:-1] for secret in secrets]
    shapes = {*secrets, *quoted, *(each.replace("/", "\\/") for each in quoted)}
    secrets = sorted(filter(None, shapes), key=len, reverse=True)
    if b"\\" not in raw and not any(secret.encode() in raw for secret in secrets):
        return raw

    def clean(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, REDACTED)
        return text

    try:
        content = msgspec.json.decode(raw)
        cleaned = _each_text(content, clean)
        return raw if cleaned == content else msgspec.json.encode(cleaned)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        for secret in secrets:
            raw = raw.replace(secret.encode(), REDACTED.encode())
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
