"""What was said: a frame's bytes into a message."""

from __future__ import annotations

from typing import Any

import msgspec

from rxfeed import messages as m

Known = (
    m.Match
    | m.LastMatch
    | m.Ticker
    | m.L2Update
    | m.Snapshot
    | m.Heartbeat
    | m.Received
    | m.Open
    | m.Done
    | m.Change
    | m.Activate
    | m.Auction
    | m.RfqMatch
    | m.Balance
    | m.Status
    | m.Subscriptions
    | m.ErrorMessage
)
_KNOWN_TYPES = {known.__struct_config__.tag for known in Known.__args__}
_LEVEL3: dict[str, type[m.Message]] = {
    "open": m.Level3Open,
    "done": m.Level3Done,
    "match": m.Level3Match,
    "change": m.Level3Change,
    "noop": m.Level3Noop,
}
LEVEL3_SCHEMA = (
    b'{"type":"level3","schema":{"change":["type","product_id","sequence","order_id","price","size","time"],"done":'
    b'["type","product_id","sequence","order_id","time"],"match":["type","product_id","sequence","maker_order_id",'
    b'"taker_order_id","price","size","time"],"noop":["type","product_id","sequence","time"],"open":["type",'
    b'"product_id","sequence","order_id","side","price","size","time"]}}'
)
"""The layout that the exchange documents: for stored frames whose own schema is not among those that are asked for."""

UNDECODED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding a frame may raise; msgspec's `ValidationError` is among them."""

decode_known = msgspec.json.Decoder(Known).decode
"""The quick way of `Decoder.decode`, for ASCII of a known type; raises `UNDECODED` for any other frame."""
_decode_all = msgspec.json.Decoder().decode
# A level3 array, and a message of a type that is not listed, is much shorter.
_LONGEST_OF_ANY_SHAPE = 1 << 22
_LONGEST_FIELD = 256
_NONE = msgspec.Raw()


class _Named(msgspec.Struct):
    type: msgspec.Raw = _NONE
    product_id: msgspec.Raw = _NONE
    sequence: msgspec.Raw = _NONE
    time: msgspec.Raw = _NONE


_decode_named = msgspec.json.Decoder(_Named).decode


def _decode_any(raw: bytes) -> Any:
    """The content of *raw*; raises `UNDECODED`.

    Decoded without a schema, JSON takes up to thirty times its size of memory. So of a frame of more than four
    megabytes only the fields that name it are decoded; an array of that size is none that is known.
    """
    if len(raw) <= _LONGEST_OF_ANY_SHAPE:
        return _decode_all(raw)
    try:
        named = _decode_named(raw)
    except msgspec.ValidationError:  # no object
        return []
    texts = {name: bytes(getattr(named, name)) for name in named.__struct_fields__}
    return {name: _decode_all(text) for name, text in texts.items() if 0 < len(text) <= _LONGEST_FIELD}


class Decoder:
    """Turns frames into messages; one a connection, since level3's schema holds for that connection alone."""

    __slots__ = ("_layouts",)

    def __init__(self) -> None:
        self._layouts: dict[str, tuple[str, ...]] = {}

    def decode(self, raw: bytes) -> m.Message | m.Malformed:
        """The message that *raw* is; `Unknown` for a type that nobody knows; `Malformed` for what is none.

        Never raises, and leaves the message's origin (receipt time, epoch) to the caller.

            >>> Decoder().decode(b'{"type":"error","message":"Failed to subscribe"}')
            ErrorMessage(message='Failed to subscribe')
            >>> Decoder().decode(b'{"type":').reason
            'not JSON: Input data was truncated'
        """
        try:
            if not raw.isascii():
                raw.decode()  # msgspec skips what it has no field for, bad UTF-8 in there included
            return decode_known(raw)
        except msgspec.ValidationError as error:
            return self._other(raw, error)
        except UNDECODED as error:
            return m.Malformed(raw, f"not JSON: {error}")

    def _other(self, raw: bytes, error: msgspec.ValidationError) -> m.Message | m.Malformed:
        try:
            content = _decode_any(raw)
        except UNDECODED as broken:
            return m.Malformed(raw, f"not JSON: {broken}")
        try:
            if isinstance(content, list):
                return self._level3(content)
            kind = content.get("type") if isinstance(content, dict) else None
            if kind == "level3":
                return self._schema(content)
        except msgspec.ValidationError as wrong:
            return m.Malformed(raw, f"wrong shape: {wrong}")
        if not isinstance(kind, str) or kind in _KNOWN_TYPES:
            return m.Malformed(raw, f"wrong shape: {error}")
        product = content.get("product_id")
        return m.Unknown(type=kind, product_id=product if isinstance(product, str) else None)

    def _schema(self, content: dict[str, Any]) -> m.Message:
        layouts = msgspec.convert(content.get("schema"), dict[str, tuple[str, ...]])
        self._layouts = layouts
        return m.Level3Schema(schema=tuple(layouts.items()))

    def _level3(self, content: list[Any]) -> m.Message:
        kind = content[0] if content and isinstance(content[0], str) else ""
        layout = self._layouts.get(kind)
        if layout is None:
            raise msgspec.ValidationError("an array that no level3 schema describes")
        if len(layout) != len(content):
            raise msgspec.ValidationError(f"level3 {kind} has {len(content)} places, its schema {len(layout)}")
        fields = dict(zip(layout, content, strict=True))
        if kind not in _LEVEL3:
            product = fields.get("product_id")
            return m.Unknown(type=kind, product_id=product if isinstance(product, str) else None)
        return msgspec.convert(fields, _LEVEL3[kind], strict=False)
