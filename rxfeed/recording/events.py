"""The connection's events as lines of a recording, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from rxfeed import errors
from rxfeed.feed.status import FeedStatus
from rxfeed.recording.format import Line, encode

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TYPES: dict[str, type[FeedStatus]] = {kind.__name__: kind for kind in FeedStatus.__subclasses__()}
_ERRORS = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}


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
    return encode(Line(ns=nanoseconds(status.at), status=msgspec.Raw(encode(said)))) + b"\n"


def nanoseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - _EPOCH) // _MICROSECOND * 1000


def status_of(line: Line) -> FeedStatus | None:
    """The status that *line* says; `None` for one of a type that this version does not know.

    Raises `ValueError` (`msgspec.ValidationError`) where it is not as it should be. An error comes back as the type of
    `rxfeed.errors` that it was, a foreign one as a `ConnectionLost` that names it.
    """
    fields: dict[str, Any] = msgspec.json.decode(line.status, type=dict[str, Any])
    kind = _TYPES.get(str(fields.pop("type", None)))
    if kind is None:
        return None
    fields["at"] = _EPOCH + timedelta(microseconds=line.ns // 1000)
    cause = fields.pop("cause", None)
    if "cause" not in kind.__struct_fields__:
        return msgspec.convert(fields, kind)
    error = None if cause is None else _error(msgspec.convert(cause, _Said))
    made: Any = kind
    return made(**{name: fields[name] for name in kind.__struct_fields__ if name in fields}, cause=error)


def _said(error: BaseException) -> _Said:
    said = _Said(type(error).__name__, str(error))
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
    if issubclass(kind, errors.SinkError):
        return kind(said.text, 0)
    return kind(said.text)
