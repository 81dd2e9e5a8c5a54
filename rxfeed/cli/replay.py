"""`rxfeed replay`: prints a recording, one line for each message."""

from __future__ import annotations

import argparse
import math
import sys

from rxfeed.cli.lines import line
from rxfeed.cli.signals import on_signals
from rxfeed.cli.streams import OutputClosed, flush_output, write_error, write_line
from rxfeed.cli.text import json_line
from rxfeed.errors import ConfigError
from rxfeed.feed import FeedStatus, RecordingTruncated
from rxfeed.market import FrameOrigin, Malformed, Message
from rxfeed.recording import Replay

_POLL = 0.2  # seconds


def run(options: argparse.Namespace) -> int:
    """Print the recording; returns 1 if it is damaged."""
    for name in ("loop", "hold"):
        if getattr(options, name):
            raise ConfigError(f"--{name}: only with --as-exchange")
    speed = None if options.speed in (None, math.inf) else options.speed
    replay = Replay(
        options.path,
        speed=speed,
        products=options.products,
        since=options.since,
        until=options.until,
        venue=options.venue,
    )
    printer = _Printer(replay, as_json=bool(options.json), flush=speed is not None)
    ended: list[bool] = []  # a signal handler must not use an object with a lock
    with on_signals(lambda: ended.append(True)), replay:
        while not ended and not replay.wait(_POLL):
            pass
    try:
        flush_output()
    except OutputClosed:  # the reader has seen enough
        return 0
    return printer.result()


class _Printer:
    """Prints the items of *replay*; with *flush* each at once."""

    def __init__(self, replay: Replay, *, as_json: bool, flush: bool) -> None:
        self._replay = replay
        self._as_json = as_json
        self._flush = flush
        self._frame: object = None  # the epochs of the last frame with several messages
        self._damaged = False
        self._error: Exception | None = None
        replay.malformed.subscribe(self._malformed, self._failed)
        replay.status.subscribe(self._status, self._failed)
        replay.subscribe(self._message, self._failed)

    def result(self) -> int:
        """The exit status; raises what ended the replay."""
        if isinstance(self._error, OutputClosed):
            return 0
        if self._error is not None:
            raise self._error
        return 1 if self._damaged else 0

    def _message(self, message: Message) -> None:
        if not self._as_json:
            write_line(line(message), flush=self._flush)
            return
        origin: object = message._origin
        last, self._frame = self._frame, origin.epochs if type(origin) is FrameOrigin else None
        if self._frame is None or self._frame is not last:  # a frame of several messages is printed once
            write_line(json_line(message.raw, sys.stdout.encoding or "ascii"), flush=self._flush)

    def _malformed(self, frame: Malformed) -> None:
        named = " ".join(name for name in (frame.type, frame.product_id) if name is not None)
        write_error(f"malformed frame{named and f' ({named})'}: {frame.reason}")

    def _status(self, status: FeedStatus) -> None:
        self._damaged = self._damaged or isinstance(status, RecordingTruncated)

    def _failed(self, error: Exception) -> None:
        self._error = self._error or error
        self._replay.close()
