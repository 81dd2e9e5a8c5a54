"""Decides when a recording stops for its disk, and when it starts again, and logs both."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from pathlib import Path

from rxfeed.cli.progress import size
from rxfeed.core import Backoff, Reconnect, in_seconds
from rxfeed.recording import DiskGuard, DiskSpace, DiskState, MinFree, disk_space, refusal

log = logging.getLogger("rxfeed.cli")

_EVERY = 1.0  # seconds between two looks at the disk
_PROBES = Reconnect(initial=1.0, maximum=30.0)
_STEADY = 60.0  # seconds of recording after which the next refusal counts as the first one
# The system may write again later, when there is room, or the disk is mounted again.
_PASSING = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "ENOENT", "ENOTDIR", "EEXIST", "EIO", "ESTALE")
    if hasattr(errno, name)
)


class RecordingDisk:
    """The disk of *folder*: `has_room` is called at any rate, and the disk is examined once a second."""

    def __init__(
        self,
        folder: Path,
        minimum: MinFree,
        mode: int,
        clock: Callable[[], float] = time.monotonic,
        space: Callable[[Path], DiskSpace] = disk_space,
        probe: Callable[[Path, int], OSError | None] = refusal,
    ) -> None:
        self._folder = folder
        self._minimum = minimum
        self._mode = mode
        self._clock = clock
        self._space = space
        self._probe = probe
        self._guard = DiskGuard(minimum)
        self._next = 0.0
        self._refused: OSError | None = None
        self._probes = Backoff(_PROBES)
        self._next_probe = self._resumed = 0.0
        self.free = 0

    def has_room(self) -> bool:
        """True if a recording may write. The first answer of each kind after the other is logged."""
        now = self._clock()
        if now >= self._next:
            self._next = now + _EVERY
            self._examine(now)
        if self._refused is not None and now >= self._next_probe:
            self._try_again(now)
        return self._refused is None and self._guard.state is not DiskState.FULL

    def refused(self, error: Exception) -> bool:
        """True if *error* ended a recording because the system refused a write that it may accept later."""
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, OSError):
            cause = cause.__cause__
        if cause is None or cause.errno not in _PASSING:
            return False
        if self._clock() - self._resumed > _STEADY:
            self._probes.succeeded()
        self._wait_for(cause)
        log.error("the recording stops: %s; it starts again when %s can be written", error, self._folder)
        return True

    def _examine(self, now: float) -> None:
        try:
            space = self._space(self._folder)
        except OSError as error:  # the disk itself is gone: the next write fails, and is tried again
            log.debug("the space of %s cannot be read: %s", self._folder, error)
            return
        self.free = space.free
        before, state = self._guard.state, self._guard.step(space, now)
        if state is before:
            return
        least, files = self._minimum.of(space)
        needed = f"--min-free {size(least)}"
        if space.total_files and space.free_files < 2 * files:
            needed, free = f"{files:,} entries for files", f"{space.free_files:,} entries for files are free"
        else:
            free = f"{size(space.free)} are free"
        if state is DiskState.FULL:
            text = "the recording stops: %s in %s, below %s; it starts again when a quarter more than that is free"
            log.error(text, free, self._folder, needed)
        elif before is DiskState.FULL:
            log.warning("the disk has room again: %s in %s", free, self._folder)
        elif state is DiskState.LOW:
            left = self._guard.seconds_left(space)
            soon = f", in about {left / 60:.0f} minutes" if left < 86_400 else ""
            text = "the disk is nearly full: %s in %s; at %s%s the recording stops; delete files, or set --keep-bytes"
            log.warning(text, free, self._folder, needed, soon)
        else:
            log.info("the disk has room: %s in %s", free, self._folder)

    def _try_again(self, now: float) -> None:
        error = self._probe(self._folder, self._mode)
        if error is None:
            self._refused, self._resumed = None, now
            log.warning("%s can be written again", self._folder)
            return
        if self._refused is None or error.errno != self._refused.errno:
            log.warning("%s still cannot be written: %s", self._folder, error.strerror or error)
        self._wait_for(error)

    def _wait_for(self, error: OSError) -> None:
        self._refused = error
        wait = self._probes.failed(at_least=in_seconds(_PROBES.initial))
        self._next_probe = self._clock() + (wait or in_seconds(_PROBES.maximum))
