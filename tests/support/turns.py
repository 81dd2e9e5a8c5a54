"""Turns among the workers of a test run: a test that measures runs alone, all others beside each other."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

# Two files that always exist, of which only the locks are used, so no file is created.
GATE, ROOM = Path(__file__), Path(__file__).with_name("__init__.py")


@contextmanager
def turn(*, alone: bool, gate: Path = GATE, room: Path = ROOM) -> Iterator[None]:
    """Inside, no other process is in a turn that is *alone*, and none in any turn if this one is.

    Ordinary turns share one lock. Another lock before it is taken one by one, so that later turns do not overtake one
    that waits to be alone.
    """
    with ExitStack() as files:
        gate_file, room_file = (files.enter_context(path.open("rb")) for path in (gate, room))
        fcntl.flock(gate_file, fcntl.LOCK_EX)
        fcntl.flock(room_file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        if not alone:
            fcntl.flock(gate_file, fcntl.LOCK_UN)
        yield
