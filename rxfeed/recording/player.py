"""Emits recordings on the streams of a replay."""

from __future__ import annotations

from collections.abc import Iterable

from rxfeed.core import MergedItem
from rxfeed.feed import FeedStreams
from rxfeed.recording.files import Repairs
from rxfeed.recording.foreign_player import play_foreign
from rxfeed.recording.item_player import ItemPlayer
from rxfeed.recording.pacer import Pacer
from rxfeed.recording.reading import Recording
from rxfeed.recording.recorded_ids import recorded_ids
from rxfeed.recording.segment_player import SegmentPlayer
from rxfeed.recording.time_range import TimeRange
from rxfeed.recording.workers import END, Place


class Player:
    """Plays recordings one after the other. Possible gaps, within a recording or between two, raise all epochs."""

    def __init__(self, streams: FeedStreams, pacer: Pacer, time_range: TimeRange) -> None:
        self._items = items = ItemPlayer(streams, pacer, time_range)
        self._segments = SegmentPlayer(items, time_range)
        self.line, self.frame, self.message = items.line, items.frame, items.message
        self.interrupted, self.truncated, self.begin_with = items.interrupted, items.truncated, items.begin_with
        self.part = 0
        self.over = False
        """True once all has been played."""

    @property
    def place(self) -> Place:
        """Where the current message is: the part, the line, and the place in it, or between it and the one before."""
        items = self._items
        return END if self.over else (self.part, items.first + items.index, items.inserted, items.dispatcher.place)

    def stop(self) -> None:
        """Hand nothing on any more; from any thread."""
        self._items.dispatcher.stopping = True

    @property
    def stopping(self) -> bool:
        return self._items.dispatcher.stopping

    def insert(self, repairs: Repairs) -> None:
        """Insert the trades of *repairs* between the lines of the segments that they complete."""
        self._items.use(repairs)
        self._segments.use(repairs)

    def play(self, recording: Recording) -> None:
        """Play *recording*; raises `RecordingDamaged` if it ends too early."""
        self.begin_with(recorded_ids(recording), recording.first_ns)
        if recording.kind == "segment":
            self._segments.play(recording)
        else:
            play_foreign(self._items, recording)

    def merged(self, items: Iterable[MergedItem]) -> None:
        """Play the merged items of several recordings, with their merged epochs."""
        player = self._items
        for player.index, each in enumerate(items):
            player.merged(each)
            if player.dispatcher.stopping:
                return

    def passed(self, ns: int) -> None:
        """Time has passed until *ns*, without an item."""
        self._items.reached(ns, None)
