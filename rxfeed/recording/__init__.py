"""Recordings: what a feed received, kept in files, and played again as if it were live."""

from rxfeed.recording.record import Recorder, RecordStats, record
from rxfeed.recording.replay import Replay
from rxfeed.recording.scheduler import ReplayScheduler
from rxfeed.recording.segments import RecordedSegment

__all__ = ["RecordStats", "RecordedSegment", "Recorder", "Replay", "ReplayScheduler", "record"]
