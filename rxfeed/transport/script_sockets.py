"""Sockets that a script makes itself with websocket-client, which nothing in rxfeed connects with."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from websocket import WebSocket


def redirect_sockets(server_of: Callable[[str], str]) -> Callable[[], None]:
    """Let sockets of websocket-client connect to *server_of* their URL; returns what ends that."""
    connect = cast(Callable[..., None], getattr(WebSocket, "connect"))  # noqa: B009  # of no full type

    def connect_there(self: WebSocket, url: str, **options: object) -> None:
        connect(self, server_of(url), **options)

    def end() -> None:
        WebSocket.connect = connect

    WebSocket.connect = connect_there
    return end
