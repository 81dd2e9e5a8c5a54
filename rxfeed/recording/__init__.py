"""Recordings: files of all that a feed received, and their replay, which is as a live feed."""

from rxfeed.recording.catalogue import Catalogue, RecordedSession, catalogue
from rxfeed.recording.reading import Recording
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
    "Recording",
    "RecordingSummary",
    "Replay",
    "ReplayScheduler",
    "Span",
    "catalogue",
    "make_folder",
    "record",
]
