"""`rxfeed` in a process of its own, on a wall clock that runs many times as fast.

    python -m tests.support.fast_clock ORIGIN BEGIN SPEED record BTC-USD --to recordings

The clock shows BEGIN at ORIGIN, the time of the machine, and then SPEED seconds for each of the machine's; all three
are whole numbers, the first two in nanoseconds. Receipts, segments and retention go by this clock. Waits, time-outs and
back-off go by the monotonic clock, which is the machine's.
"""

from __future__ import annotations

import sys
import time
from typing import NamedTuple

_machine = time.time_ns


class FastClock(NamedTuple):
    """Unix nanoseconds, from *begin* on at the machine's time *origin*, *speed* times as fast."""

    origin: int
    begin: int
    speed: int

    def now(self) -> int:
        return self.begin + (_machine() - self.origin) * self.speed

    def arguments(self) -> list[str]:
        """Those of this module, before those of `rxfeed`."""
        return [str(value) for value in self]


def main() -> int:
    clock, args = FastClock(*map(int, sys.argv[1:4])), sys.argv[4:]
    time.time_ns = clock.now
    time.time = lambda: clock.now() / 1e9

    # After the clock is replaced, since a module may take the function that it calls at its import.
    from rxfeed import cli
    from rxfeed.cli import record_mongo

    record_mongo._END *= clock.speed  # the time that the machine takes for a write
    return cli.main(args)


if __name__ == "__main__":
    sys.exit(main())
