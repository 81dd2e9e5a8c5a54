"""The inputs and the outputs of a `Merge`."""

from __future__ import annotations

from typing import Any

import msgspec

from rxfeed.core.gaps import Pair


class ReceivedItem(msgspec.Struct, frozen=True, gc=False):
    """An item that *collector* (a number chosen by the caller) received at *ns*, Unix nanoseconds.

    *item*: a message, stamped with the collector's own epoch; a `Malformed`; a `ConnectionChange` or a `StatusEvent`.
    """

    collector: int
    ns: int
    item: object


class ConnectionChange(msgspec.Struct, frozen=True):
    """A collector's connection came up or went down; *over*: it will not come up again.

    *status* is output if no other collector is connected.
    """

    up: bool
    over: bool = False
    status: object = None


class StatusEvent(msgspec.Struct, frozen=True):
    """A *status* to output (`None`: nothing). *alone*: only if no collector is connected.

    *pair*: only if no other collector covers that channel and product. *silent*: from now on this collector receives
    nothing of it. *connected*: this connection of the collector is a new one, while another one is open. *removed*: it
    has this connection no longer. *acknowledged*: a connection, and the pairs that it is subscribed to.
    """

    status: object
    alone: bool = False
    pair: Pair | None = None
    silent: bool = False
    connected: int | None = None
    removed: int | None = None
    acknowledged: tuple[int, frozenset[Pair]] | None = None


class BookOwnerChanged(msgspec.Struct, frozen=True):
    """From here on, the book of *product_id* is that of the collector of this item, beginning with its snapshot."""

    product_id: str


class MergedItem(msgspec.Struct, frozen=True, gc=False):
    """An item of the merged stream: a message, a `Malformed`, a `Missed`, a `Restarted`, or a collector's status.

    A message, and its *ns*, are those of the copy that was received first; *epoch* is the merged stream's.
    """

    ns: int
    epoch: int
    item: Any
