"""What goes into a `Merge`, and what comes out."""

from __future__ import annotations

from typing import Any

import msgspec

from rxfeed.core.gaps import Pair


class Heard(msgspec.Struct, frozen=True, gc=False):
    """What *collector* (a number of yours) received at *ns*, Unix nanoseconds: the items that `Merge` steps.

    *item*: a message, stamped with the collector's own epoch; a `Malformed`; a `Link` or a `Remark`.
    """

    collector: int
    ns: int
    item: Any


class Link(msgspec.Struct, frozen=True):
    """A collector's connection came up, or went down; *over*: for good. *said* goes out where no other one is up."""

    up: bool
    over: bool = False
    said: Any = None


class Remark(msgspec.Struct, frozen=True):
    """*said* (`None`: nothing) goes out in its place. *alone*: only where no collector is connected.

    *pair*: only where no other one covers that channel and product. *silent*: whether this one covers it from here on.
    """

    said: Any
    alone: bool = False
    pair: Pair | None = None
    silent: bool = False


class Merged(msgspec.Struct, frozen=True, gc=False):
    """An item of the merged stream: *item* is a message, a `Malformed`, a `Missed`, a `Restarted`, or what a collector
    *said*.

    *ns*, *raw* and all else of a message are those of the copy that was received first, its *epoch* is the stream's.
    """

    ns: int
    epoch: int
    item: Any
