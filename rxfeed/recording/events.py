"""Encodes the connection's events as lines of a recording, and decodes them."""

from __future__ import annotations

import functools

import msgspec

from rxfeed import errors
from rxfeed.feed import FeedStatus, RecordingTruncated, Repaired
from rxfeed.recording.format import Line, encode
from rxfeed.recording.timestamps import moment_of, ns_of

_TYPES: dict[str, type[FeedStatus]] = {kind.__name__: kind for kind in FeedStatus.__subclasses__()}
_TYPES["Torn"] = RecordingTruncated  # the names in older recordings
_TYPES["GapRepaired"] = Repaired
_ERRORS = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}


class _Kind(msgspec.Struct):
    type: str = ""


_kind = msgspec.json.Decoder(_Kind).decode


class _RecordedError(msgspec.Struct, omit_defaults=True):
    """An exception: the name of its class in `rxfeed.errors` (or elsewhere), and its text."""

    error: str
    text: str
    code: int | None = None
    reason: str | None = None
    status: int | None = None


def status_line(status: FeedStatus) -> bytes:
    """The line of *status*. The headers of an error are not recorded, since they may contain secrets."""
    fields: dict[str, object] = {"type": type(status).__name__}
    for name in status.__struct_fields__:
        if name != "at" and (name != "connection" or status.connection):
            value = getattr(status, name)
            fields[name] = _recorded_error(value) if isinstance(value, BaseException) else value
    return encode(Line(ns=ns_of(status.at), status=msgspec.Raw(encode(fields)))) + b"\n"


def status_of(line: Line) -> FeedStatus | None:
    """The status in *line*; `None` if its type is unknown to this version.

    Raises `ValueError` (`msgspec.ValidationError`) if it is not valid. An error of `rxfeed.errors` has its type again;
    any other is a `ConnectionLost` with its name.
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
    """The struct to decode a recorded *kind* with, which ignores fields that *kind* does not have."""
    fields: list[tuple[str, object] | tuple[str, object, object]] = []
    for field in msgspec.structs.fields(kind):
        if field.name == "cause":
            fields.append((field.name, _RecordedError | None, None))
        elif field.name != "at":
            plain = field.name, field.type
            fields.append(plain if field.required else (*plain, msgspec.field(default=field.default)))
    return msgspec.defstruct(kind.__name__, fields, kw_only=True)


def _recorded_error(error: BaseException) -> _RecordedError:
    # The text may contain a file's name that is not valid UTF-8, which a line cannot contain.
    recorded = _RecordedError(type(error).__name__, str(error).encode("utf-8", "backslashreplace").decode())
    if isinstance(error, errors.ServerClosed):
        recorded.code, recorded.reason = error.code, error.reason
    elif isinstance(error, errors.HandshakeRejected):
        recorded.status = error.status
    return recorded


def _error(recorded: _RecordedError) -> Exception:
    kind = _ERRORS.get(recorded.error)
    if kind is None or not issubclass(kind, errors.RxfeedError):
        return errors.ConnectionLost(f"{recorded.error}: {recorded.text}")
    if issubclass(kind, errors.ServerClosed):
        return kind(recorded.code or 0, recorded.reason or "")
    if issubclass(kind, errors.HandshakeRejected):
        return kind(recorded.text, recorded.status or 0, {})
    if issubclass(kind, errors.SinkError):
        return kind(recorded.text, 0)
    # Some kinds have attributes that are not recorded: in place of those, their nearest base that needs only a text.
    return next(each for each in kind.__mro__ if "__init__" not in vars(each))(recorded.text)
