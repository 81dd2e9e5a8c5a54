"""Faults for clients of `rxfeed.sim.Exchange`, each a small frozen value.

    >>> from rxfeed.sim import Exchange, faults
    >>> script = [faults.Drop(types={"match"}, after=20), faults.Close(1001, "going away", after=50)]
    >>> with Exchange(seed=7, auto=False, faults=script) as exchange:
    ...     exchange.inject(faults.NoPong())

Every fault has two keywords. *after*: it fires right after the N-th text frame that the exchange meant for the
connection (acknowledgements and errors count, and so do frames that another fault drops); `None` or 0: when the
connection opens. *connection*: the number of the connection, counted from 1 in the order of their arrival, those
that never got past the handshake included; or a container of numbers, such as `range(1, 4)`; `None`: every one. A
fault fires once for each connection that it concerns. After a fault that ends a connection nothing else fires on it.

Faults of HTTP requests (`RestStatus`, `RestLatency`, `RestHole`, `RestGarbage`) concern no connection; their *after*
counts the requests with *path* in their path.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from rxfeed.core import arguments
from rxfeed.errors import ConfigError
from rxfeed.sim.fault_types import (
    BadUtf8,
    ClockJump,
    Close,
    Drop,
    Duplicate,
    EarlyData,
    Fault,
    Fragmented,
    HalfOpen,
    HttpStatus,
    LateSnapshot,
    MalformedFrame,
    Masked,
    NoPong,
    OversizedFrame,
    Recover,
    Refuse,
    RefusedChannel,
    Reorder,
    Reset,
    Silence,
    SkipSequence,
    SlowHandshake,
    SlowReaderKick,
    Vanish,
)
from rxfeed.sim.rest_faults import OfRequests, RestGarbage, RestHole, RestLatency, RestStatus

__all__ = [
    "KINDS",
    "BadUtf8",
    "ClockJump",
    "Close",
    "Draw",
    "Drop",
    "Duplicate",
    "EarlyData",
    "Fault",
    "Fragmented",
    "HalfOpen",
    "HttpStatus",
    "LateSnapshot",
    "MalformedFrame",
    "Masked",
    "NoPong",
    "OversizedFrame",
    "Recover",
    "Refuse",
    "RefusedChannel",
    "Reorder",
    "Reset",
    "RestGarbage",
    "RestHole",
    "RestLatency",
    "RestStatus",
    "Silence",
    "SkipSequence",
    "SlowHandshake",
    "SlowReaderKick",
    "Vanish",
    "randomly",
]

KINDS: tuple[Fault, ...] = (
    Drop(),
    Duplicate(),
    Reorder(2),
    MalformedFrame(),
    BadUtf8(),
    Fragmented(),
    Close(1001, "going away"),
    Vanish(),
    Reset(),
)

Draw = Callable[[int], Iterator[Fault]]  # the faults of a connection, in the order of their `after`


def randomly(seed: int | str, *, every: float = 100.0, kinds: Sequence[Fault] = KINDS) -> Draw:
    """Faults without end: one of *kinds*, as they are given, about every so many frames of each connection.

    The same *seed* gives a connection of the same number the same faults after the same frames.

        >>> from rxfeed.sim.fault_types import Close, Drop
        >>> from rxfeed.sim.faults import randomly
        >>> draw = randomly(7, every=50, kinds=[Drop(), Close(1001, "going away")])
        >>> next(draw(1)) == next(draw(1))
        True
    """
    arguments.number("every", every)
    kinds = tuple(kinds)
    for kind in kinds:
        if not isinstance(kind, Fault) or isinstance(kind, OfRequests) or kind.at_handshake or kind.after is not None:
            raise ConfigError(f"kinds: {kind!r} is no fault that can fire after any frame")
    if not kinds:
        raise ConfigError("kinds: none")

    def draw(connection: int) -> Iterator[Fault]:
        dice = random.Random(f"{seed}/{connection}")
        after = 0
        while True:
            after += 1 + int(dice.expovariate(1 / every))
            yield replace(dice.choice(kinds), after=after)

    return draw
