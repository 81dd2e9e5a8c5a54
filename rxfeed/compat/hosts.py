"""The servers of the classic clients: live hosts in place of retired ones, and all on this machine for a rehearsal."""

from __future__ import annotations

from typing import NamedTuple

from rxfeed.secrets import host_of
from rxfeed.venues.coinbase_exchange import Credentials, replacement


class Servers(NamedTuple):
    """The servers that a script is redirected to, and the keys that they accept."""

    websocket: str
    rest: str
    credentials: Credentials


_redirection: Servers | None = None


def redirect(servers: Servers | None) -> None:
    """Let all clients that connect from now on use *servers*; `None`: the servers of their URLs."""
    global _redirection
    _redirection = servers


def redirection() -> Servers | None:
    """The servers that all clients use; `None` if these are the servers of their URLs."""
    return _redirection


def live(url: object) -> tuple[object, str]:
    """*url*, or the URL of the live host for a retired one, with the text of a warning; the text is empty otherwise."""
    found = replacement(url)
    if found is None:
        return url, ""
    return found, f"{host_of(str(url))} is retired: connecting to {host_of(found)} in its place"
