"""The connection's events as lines of a recording, and back."""

from __future__ import annotations

import functools
from typing import Any

import msgspec

from rxfeed import errors
from rxfeed.feed import FeedStatus
from rxfeed.recording.format import Line, encode
from rxfeed.recording.moments import moment_of, ns_of

_TYPES: dict[str, type[FeedStatus]] = {kind.__name__: kind for kind in FeedStatus.__subclasses__()}
_ERRORS = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}


class _Kind(msgspec.Struct):
    type: str = ""


_kind = msgspec.json.Decoder(_Kind).decode


class _Said(msgspec.Struct, omit_defaults=True):
    """An exception: which of `rxfeed.errors` (or a foreign one's name), and what it says."""

    error: str
    text: str
    code: int | None = None
    reason: str | None = None
    status: int | None = None


def status_line(status: FeedStatus) -> bytes:
    """A line for *status*. Of an error's headers nothing is kept: a server may put anything into them."""
    said: dict[str, Any] = {"type": type(status).__name__}
    for name in status.__struct_fields__:
        if name != "at":
            value = getattr(status, name)
            said[name] = _said(value) if isinstance(value, BaseException) else value
    return encode(Line(ns=ns_of(status.at), status=msgspec.Raw(encode(said)))) + b"\n"


def status_of(line: Line) -> FeedStatus | None:
    """The status that *line* says; `None` for one of a type that this version does not know.

    Raises `ValueError` (`msgspec.ValidationError`) where it is not as it should be. An error comes back as the type of
    `rxfeed.errors` that it was, a foreign one as a `ConnectionLost` that names it.
    """
    kind = _TYPES.get(_kind(line.status).type)
    if kind is None:
        return None
    recorded = msgspec.json.decode(line.status, type=_recorded(kind))
    fields = {name: getattr(recorded, name) for name in recorded.__struct_fields__}
    if "cause" in fields:
        fields["cause"] = None if fields["cause"] is None else _error(fields["cause"])
    return kind(**fields, at=moment_of(line.ns))


@functools.cache
def _recorded(kind: type[FeedStatus]) -> type[msgspec.Struct]:
    """*kind* as its line has it: so that nothing is decoded that it has no field for."""
    fields: list[Any] = []
    for field in msgspec.structs.fields(kind):
        if field.name == "cause":
            fields.append((field.name, _Said | None, None))
        elif field.name != "at":
            default = [] if field.required else [msgspec.field(default=field.default)]
            fields.append((field.name, field.type, *default))
    return msgspec.defstruct(kind.__name__, fields, kw_only=True)


def _said(error: BaseException) -> _Said:
    # The text may hold bytes of a file's name that are no UTF-8, which no line can hold.
    said = _Said(type(error).__name__, str(error).encode("utf-8", "backslashreplace").decode())
    if isinstance(error, errors.ServerClosed):
        said.code, said.reason = error.code, error.reason
    elif isinstance(error, errors.HandshakeRejected):
        said.status = error.status
    return said


def _error(said: _Said) -> Exception:
    kind = _ERRORS.get(said.error)
    if kind is None or not issubclass(kind, errors.RxfeedError):
        return errors.ConnectionLost(f"{said.error}: {said.text}")
    if issubclass(kind, errors.ServerClosed):
        return kind(said.code or 0, said.reason or "")
    if issubclass(kind, errors.HandshakeRejected):
        return kind(said.text, said.status or 0, {})
    if issubclass(kind, errors.RecordingDamaged):
        return errors.ConfigError(said.text)
    if issubclass(kind, errors.SinkError):
        return kind(said.text, 0)
    return kind(said.text)
