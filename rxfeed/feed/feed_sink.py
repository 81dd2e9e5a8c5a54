"""The common part of sinks for all that a feed emits, and not its messages alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable

from rxfeed.feed.sink import Sink, SinkWriter
from rxfeed.feed.source import MessageSource
from rxfeed.feed.status import FeedStatus, Idle

T = TypeVar("T")
W = TypeVar("W", bound=SinkWriter)


class FeedSink(Sink[T, W]):
    """A `Sink` that also gets the status events, pongs and malformed frames, if its source is a feed or a replay."""

    def _attach(
        self,
        source: Observable[object],
        writer: W,
        end: Callable[[Exception | None], None],
        scheduler: abc.SchedulerBase | None,
    ) -> abc.DisposableBase:
        attached = CompositeDisposable()
        if isinstance(source, MessageSource):

            def put_status(status: FeedStatus) -> None:
                if not isinstance(status, Idle):  # the initial state is no event
                    writer.put(status)

            attached.add(source.status.subscribe(put_status))
            attached.add(source.keepalive.subscribe(writer.put))
            attached.add(source.malformed.subscribe(writer.put))
        attached.add(super()._attach(source, writer, end, scheduler))
        return attached
