"""Redacts secrets in the frames of a server, which may repeat what it received.

Rules:
- Strings are replaced in place, without decoding the whole frame. So depth and size of a frame do not matter, and all
  other bytes stay the same.
- In a JSON string, a secret is found with any escapes. In a frame that is not JSON, it is also found outside strings.
- A secret of less than six characters is redacted only where it is a whole word, since it may be a part of other words.
  One of less than three stays: it can be guessed at once, and the text would lose its meaning.
- The value of a `type` stays as it is, if it is a text: so a message remains what it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

REDACTED = "[redacted]"
_HIDDEN = msgspec.json.encode(REDACTED)
_SHORTEST = 3
_SHORTEST_ANYWHERE = 6
_decode_text = msgspec.json.Decoder(str).decode
_decode_nothing = msgspec.json.Decoder(msgspec.Raw).decode
# A `type` with a text, or a text; behind a name comes a colon.
_TEXT = rb'"(?:[^"\\]++|\\.)*+"'
_TEXTS = re.compile(rb'"type"\s*+:\s*+' + _TEXT + rb"|(" + _TEXT + rb")(\s*+:)?", re.DOTALL)


def redacted(raw: bytes, secrets: Sequence[str]) -> bytes:
    """*raw* with `[redacted]` instead of each of *secrets*; *raw* itself if it has none of them.

    >>> redacted(b'{"type":"error", "reason":"bad key: \\\\u0061bc"}', ["abc"])
    b'{"type":"error", "reason":"bad key: [redacted]"}'
    """
    # As they are in JSON, too: a text may hold JSON.
    plain = [secret for secret in secrets if len(secret) >= _SHORTEST]
    quoted = [msgspec.json.encode(secret).decode()[1:-1] for secret in plain]
    shapes = {*plain, *quoted, *(each.replace("/", "\\/") for each in quoted)}
    if b"\\" not in raw and not any(shape.encode() in raw for shape in shapes):
        return raw
    # The longest first: one may be a part of another.
    pattern = "|".join(map(_pattern, sorted(shapes, key=len, reverse=True)))
    if not pattern:
        return raw
    in_text, in_bytes = re.compile(pattern, re.ASCII), re.compile(pattern.encode())

    def clean(text: bytes, is_name: bool) -> bytes:
        try:
            before = _decode_text(text)
        except ValueError:  # not JSON
            return text
        after = in_text.sub(REDACTED, before)
        return text if before == after else msgspec.json.encode(after)

    cleaned = _each_text(raw, clean)
    if not _is_json(cleaned):
        cleaned = in_bytes.sub(REDACTED.encode(), cleaned)
    return raw if cleaned == raw else cleaned


def _pattern(secret: str) -> str:
    """The regular expression of *secret*: anywhere, or as a whole word if it is short."""
    pattern = re.escape(secret)
    if len(secret) >= _SHORTEST_ANYWHERE:
        return pattern
    word = re.compile(r"\w", re.ASCII)
    return (r"(?<!\w)" if word.match(secret[0]) else "") + pattern + (r"(?!\w)" if word.match(secret[-1]) else "")


def redact_all_strings(raw: bytes) -> bytes:
    """The JSON *raw* with `[redacted]` for each string value, for use if the secrets are not known.

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
