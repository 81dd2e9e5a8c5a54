"""Calls into a subclass, and a socket, that may be of any age."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Protocol

from rxfeed.compat.types import Hook, Json
from rxfeed.market import LONG
from rxfeed.venues.coinbase_exchange import MOST_VALUES

_OLDER = {"onOpen": "on_open", "onMessage": "on_message", "onError": "on_error", "onClose": "on_close"}


class FrameSource(Protocol):
    """The part of a script's own socket that is used."""

    def recv(self) -> str | bytes: ...


def call_on_error(on_error: Hook, error: Exception, data: Json = None) -> None:
    """Call *on_error* with as much as it takes: one argument in the wheel's time, two in later scripts."""
    ways: list[tuple[object, ...]] = [(error,), (error, None)] if data is None else [(error, data), (error,)]
    try:
        signature = inspect.signature(on_error)
    except (TypeError, ValueError):  # some built-ins have none
        on_error(*ways[0])
        return
    for arguments in ways:
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        on_error(*arguments)
        return
    on_error(*ways[0])  # it takes neither: the TypeError names its parameters


def older_hooks(kind: type) -> list[str]:
    """A text for each hook of *kind* that has the name of a library before cbpro and gdax."""
    return [
        f"{name} is not called, which the library GDAX of 2017 did: name it {today}"
        for name, today in _OLDER.items()
        if hasattr(kind, name)
    ]


def check_values(raw: str | bytes) -> None:
    """Raise `ValueError` for a long frame with more values than the largest book, as the feed refuses it.

    Decoded, a value takes up to sixty times the memory of its text.
    """
    if len(raw) > LONG and (raw.count(b",") if isinstance(raw, bytes) else raw.count(",")) > MOST_VALUES:
        raise ValueError(f"over {MOST_VALUES:,} values")


def loaded(raw: str | bytes) -> Json:
    """The JSON *raw*, of any shape; raises `ValueError` or `RecursionError`."""
    check_values(raw)
    return json.loads(raw)


def read_socket(
    ws: FrameSource,
    stopped: Callable[[], object],
    handle: Callable[[Json], None],
    failed: Callable[[Exception, Json], None],
) -> None:
    """Read *ws* until *stopped*, or it ends, as the classics did: for a `_connect` that made a socket of its own."""
    while not stopped():
        raw = ws.recv()
        try:
            content = loaded(raw)
        except (ValueError, RecursionError) as error:
            if not raw:  # recv() of websocket-client returns "" for a close frame
                raise ConnectionError("the server closed the connection") from None
            failed(error, raw)
        else:
            handle(content)
