"""`rxfeed publish`: publishes a live feed on a tape."""

from __future__ import annotations

import argparse
import time
from queue import Empty, Queue

from rxfeed.cli.live import StatusReporter, make_feed
from rxfeed.cli.signals import on_signals
from rxfeed.cli.streams import write_line
from rxfeed.cli.tape_server import tls_of, url_of
from rxfeed.feed import FeedStatus
from rxfeed.tape import TapeSink, to_nats

_POLL = 0.2


def run(options: argparse.Namespace) -> int:
    """Publish until the options, a signal or the feed end it; returns the exit status."""
    feed = make_feed(options)
    sink = to_nats(
        url_of(options),
        stream=options.stream,
        publisher=options.publisher,
        shared=bool(options.shared),
        spill=options.spill,
        max_age=options.max_age,
        max_bytes=options.max_bytes,
        replicas=options.replicas,
        credentials=options.creds,
        tls=tls_of(options),
    )
    statuses: Queue[FeedStatus] = Queue()
    feed.status.subscribe(statuses.put)
    failed: list[Exception] = []
    feed.pipe(sink).subscribe(on_error=failed.append)
    reporter = StatusReporter("publish", "publishing", patient=True, signed=bool(options.auth), venue=feed.venue)
    ended: list[bool] = []
    deadline = None if options.seconds is None else time.monotonic() + options.seconds
    with on_signals(lambda: ended.append(True)):
        with feed:
            while not ended and not failed and (deadline is None or time.monotonic() < deadline):
                try:
                    reporter.report(statuses.get(timeout=_POLL))
                except Empty:
                    reporter.check_rejection()
                if feed.wait(0) and statuses.empty():
                    break
        write_line(_summary(sink))
    if failed:
        raise failed[0]
    return 1 if feed.unwritten else 0


def _summary(sink: TapeSink) -> str:
    stats = sink.stats
    parts = [f"{stats.published:,} published", f"{stats.duplicates:,} were on the tape before"]
    others = ((stats.withheld, "withheld"), (stats.spilled, "on disk"), (stats.lost, "lost"))
    parts += [f"{count:,} {what}" for count, what in others if count]
    return ", ".join(parts)
