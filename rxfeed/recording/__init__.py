"""Recordings: what a feed received, kept in files, and played again as if it were live."""

from rxfeed.recording.catalogue import Catalogue, RecordedSession, catalogue
from rxfeed.recording.record import Recorder, RecordStats, record
from rxfeed.recording.replay import Replay
from rxfeed.recording.scheduler import ReplayScheduler
from rxfeed.recording.segment_file import make_folder
from rxfeed.recording.segments import RecordedSegment
from rxfeed.recording.summary import Damage, ProductSummary, RecordingSummary, Span

__all__ = [
    "Catalogue",
    "Damage",
    "ProductSummary",
    "RecordStats",
    "RecordedSegment",
    "RecordedSession",
    "Recorder",
    "RecordingSummary",
    "Replay",
    "ReplayScheduler",
    "Span",
    "catalogue",
    "make_folder",
    "record",
]
