"""A tape as a source of messages with the interface of a Feed."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Literal

from rxfeed.core import Seconds, arguments, in_seconds
from rxfeed.errors import ConfigError
from rxfeed.feed import Clock, FeedStreams, MessageSource
from rxfeed.recording import Pacer, Player, ReplayScheduler, TimeRange
from rxfeed.secrets import Secret
from rxfeed.tape.connection import TapeAddress
from rxfeed.tape.library import nats_py
from rxfeed.tape.playback import TapePlayback
from rxfeed.tape.reader import TapeReader
from rxfeed.tape.stream import check_name
from rxfeed.tape.subjects import Subjects
from rxfeed.venues import DEFAULT_VENUE, Venue
from rxfeed.venues import venue as venue_of

_AFTERWARDS = 3600.0  # seconds of virtual time for which scheduled actions run after the end
_MOST_FILTERS = 200


class NatsFeed(MessageSource):
    """Emits all `Message`s of a tape, from *since* on and then as they are published: a hot Observable, as a Feed.

        from rxfeed import window_volume
        from rxfeed.tape import NatsFeed

        feed = NatsFeed("nats://localhost:4222", ["BTC-USD"], ["trades", "heartbeat"], since="all")
        feed.pipe(window_volume(60)).subscribe(print)
        feed.run()

    *url*, *credentials*, *token*, *user*, *password*, *tls*, *stream*: as for `to_nats`, which publishes the tape.
    *products*, *channels*: one or many, `None` for all; frames with several products are received whole, and the others
    left out. *since*: `None` for what comes from now on, `"all"` for the whole tape, or an aware datetime: items that
    were received from then on. *until*: an aware datetime, or `"now"`: what is on the tape when the feed connects.
    `None`: it ends with `close()`. *speed*: as for `Replay`; `None` plays as fast as possible, and then live.

    It emits what the publishers' feeds emitted: messages with their recorded receipt and epoch, and the items of
    `status`, `malformed` and `keepalive` at their places. The outputs of operators are those on the feed and on a
    `Replay` of its recording. All consumers of a tape have the same outputs at the same message, however late they
    begin: where they begin, all epochs begin. Between two sessions (runs of a publisher), and where the tape has
    deleted messages that were not read, all epochs rise.

    **Several publishers** (`to_nats(shared=True)`) are merged: each message is emitted once, in the order of its
    numbers. A message that one publisher missed waits for the copy of another, for at most *patience* seconds of the
    tape's time; a `Gap` is emitted, and epochs rise, only if no publisher has received it. Epochs are counted anew, and
    events of a connection are emitted if no other publisher is connected. A product's book is that of one publisher
    until another one takes its lease; then the epoch of the book rises, and the book begins with a snapshot.

    If the server is not available, the feed waits, and continues behind the last message: no message is missing,
    doubled, or in another order. The log has a warning, and `problem` the reason. Refused credentials end the feed.
    A slow subscriber delays the reading, and nothing else: the tape keeps what it has not read, within its limits.

    Operators of reactivex with time use the tape's time, as those of a `Replay`: see `scheduler`.

    Raises `ConfigError` for invalid arguments, and if nats-py is not installed.
    """

    _recorded: ClassVar[bool] = True

    def __init__(
        self,
        url: str | Secret,
        products: str | Iterable[str] | None = None,
        channels: str | Iterable[str] | None = None,
        *,
        since: datetime | Literal["all"] | None = None,
        until: datetime | Literal["now"] | None = None,
        speed: float | None = None,
        patience: Seconds = 3.0,
        stream: str = "rxfeed",
        venue: str | Venue | None = None,
        count_items: bool = False,
        clock: Clock | None = None,
        credentials: str | Path | None = None,
        token: str | Secret | None = None,
        user: str | None = None,
        password: str | Secret | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        try:
            nats_py()
            self._address = TapeAddress(
                url, credentials=credentials, token=token, user=user, password=password, tls=tls
            )
        finally:
            url, token, password = "", None, None
        arguments.positive_microseconds("patience", patience)
        if speed is not None:
            arguments.above_zero("speed", speed)
        if isinstance(since, str) and since != "all":
            raise ConfigError(f"since: {since!r} is neither 'all' nor a datetime")
        if isinstance(until, str) and until != "now":
            raise ConfigError(f"until: {until!r} is neither 'now' nor a datetime")
        check_name(stream)
        found = venue_of(DEFAULT_VENUE if venue is None else venue)
        self._chosen_products = None if products is None else tuple(sorted(arguments.products(products)))
        self._chosen_channels = None if channels is None else _channels(found, channels)
        moment = since if isinstance(since, datetime) else None
        end = until if isinstance(until, datetime) else None
        self._time_range = TimeRange(self._chosen_products, moment, end)
        self._scheduler = ReplayScheduler(lambda: self._streams.failed())
        streams = FeedStreams(float("inf"), lambda: self._scheduler.now, venue=found)
        super().__init__(streams, self._scheduler, count_items=count_items)
        self._pacer = Pacer(self._scheduler, speed, clock or Clock())
        player = Player(streams, self._pacer, self._time_range)
        self._player = player
        self._playback = TapePlayback(player, found, in_seconds(patience))
        subjects = Subjects(stream, found)
        filters = subjects.filters(self._chosen_products, self._chosen_channels)
        if len(filters) > _MOST_FILTERS:  # then the products are selected here
            filters = subjects.filters(None, self._chosen_channels)
        self._failure: Exception | None = None
        self._reader = TapeReader(
            self._address, stream, subjects.prefix, filters, since, self._reader_ended, to_end=until == "now"
        )

    # ---- streams

    @property
    def scheduler(self) -> ReplayScheduler:
        """The scheduler of the tape's time, for operators of reactivex with time. Pipelines use it by default.

        Its time is the receipt of the newest item; publishers send a sign of life each second. Actions that are due
        before a message run before it, on the feed's thread.
        """
        return self._scheduler

    @property
    def problem(self) -> str | None:
        """Why nothing is received now; `None` if messages are received."""
        return self._reader.problem

    @property
    def sequence(self) -> int:
        """The number in the stream of the item that is being emitted, or was last."""
        return self._playback.sequence

    @property
    def received_ns(self) -> int:
        """The receipt of that item, Unix nanoseconds."""
        return self._playback.received_ns

    @property
    def about(self) -> dict[str, object]:  # pyright: ignore[reportIncompatibleMethodOverride]  # a dict of more
        """The `url` without its secret parts, and the `channels` and `products` that were asked for."""
        about: dict[str, object] = {"url": self._address.shown}
        if self._chosen_channels is not None:
            about["channels"] = sorted(self._chosen_channels)
        if self._chosen_products is not None:
            about["products"] = sorted(self._chosen_products)
        return about

    def __repr__(self) -> str:
        return f"<NatsFeed of {self._reader.name}>"

    # ---- the thread

    def _prepare(self) -> None:
        self._reader.start()

    def _work(self) -> Exception | None:
        inbox, play, player, until = self._reader.inbox, self._playback.play, self._player, self._time_range.until
        while (group := inbox.take()) is not None:
            for item in group:
                play(item)
                if player.stopping:
                    return None
            if self._scheduler.ns >= until:
                break
        else:
            self._playback.finish()
        self._reader.stop()
        return self._failure

    def _reader_ended(self, error: Exception | None) -> None:
        self._failure = error

    def _interrupt(self) -> None:
        self._player.stop()
        self._pacer.stop()
        self._reader.stop()

    def _ended(self) -> None:
        self._pacer.run_out(_AFTERWARDS)
        self._reader.join(2.0)


def _channels(venue: Venue, channels: str | Iterable[str]) -> tuple[str, ...]:
    named = arguments.one_or_many("channels", channels, str)
    found = tuple(venue.named(each) for each in named)
    known = {each.name for each in venue.channels}
    for given, name in zip(named, found, strict=True):
        if name not in known:
            raise ConfigError(f"channels: {given!r} is no channel of {venue.name}: {', '.join(sorted(known))}")
    if not found:
        raise ConfigError("channels: it is empty; None is all of them")
    return found
