"""Redacts secrets in the frames of a server, which may repeat what it received.

Rules:
- Strings are replaced in place, without decoding the whole frame. So depth and size of a frame do not matter, and all
  other bytes stay the same.
- In a JSON string, a secret is found with any escapes. In a frame that is not JSON, it is also found outside strings.
- The value of a `type` stays as it is, if it is a text: so a message remains what it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

REDACTED = "[redacted]"
_HIDDEN = msgspec.json.encode(REDACTED)
_decode_text = msgspec.json.Decoder(str).decode
_decode_nothing = msgspec.json.Decoder(msgspec.Raw).decode
# A `type` with a text, or a text; behind a name comes a colon.
_TEXT = rb'"(?:[^"\\]++|\\.)*+"'
_TEXTS = re.compile(rb'"type"\s*+:\s*+' + _TEXT + rb"|(" + _TEXT + rb")(\s*+:)?", re.DOTALL)


def redacted(raw: bytes, secrets: Sequence[str]) -> bytes:
    """*raw* with `[redacted]` instead of each of *secrets*; *raw* itself if it has none of them.

    >>> from rxfeed.secrets import redacted
    >>> redacted(b'{"type":"error", "reason":"bad key: \\\\u0061bc"}', ["abc"])
    b'{"type":"error", "reason":"bad key: [redacted]"}'
    """
    # The longest first: one may be a part of another. As they are in JSON, too: a text may hold JSON.
    quoted = [msgspec.json.encode(secret).decode()[1:-1] for secret in secrets]
    shapes = {*secrets, *quoted, *(each.replace("/", "\\/") for each in quoted)}
    secrets = sorted(filter(None, shapes), key=len, reverse=True)
    if b"\\" not in raw and not any(secret.encode() in raw for secret in secrets):
        return raw

    def clean(text: bytes, is_name: bool) -> bytes:
        try:
            before = after = _decode_text(text)
        except ValueError:  # not JSON
            return text
        for secret in secrets:
            after = after.replace(secret, REDACTED)
        return text if before == after else msgspec.json.encode(after)

    cleaned = _each_text(raw, clean)
    if not _is_json(cleaned):
        for secret in secrets:
            cleaned = cleaned.replace(secret.encode(), REDACTED.encode())
    return raw if cleaned == raw else cleaned


def redact_all_strings(raw: bytes) -> bytes:
    """The JSON *raw* with `[redacted]` for each string value, for use if the secrets are not known.

    >>> from rxfeed.secrets import redact_all_strings
    >>> redact_all_strings(b'{"type":"error","reason":"bad key: abc","code":3}')
    b'{"type":"error","reason":"[redacted]","code":3}'
    """
    return _each_text(raw, lambda text, is_name: text if is_name else _HIDDEN)


def _each_text(raw: bytes, clean: Callable[[bytes, bool], bytes]) -> bytes:
    def replace(found: re.Match[bytes]) -> bytes:
        text, colon = found.groups()
        return found[0] if text is None else clean(text, colon is not None) + (colon or b"")

    return _TEXTS.sub(replace, raw)


def _is_json(raw: bytes) -> bool:
    try:
        _decode_nothing(raw)
    except (ValueError, RecursionError):
        return False
    return True
