"""Recordings: what a feed received, kept in files, and played again as if it were live."""

from rxfeed.recording.catalogue import Catalogue, Session, catalogue
from rxfeed.recording.reading import Recording
from rxfeed.recording.record import Recorder, RecordStats, record
from rxfeed.recording.replay import Replay
from rxfeed.recording.scheduler import ReplayScheduler
from rxfeed.recording.segment_file import make_folder
from rxfeed.recording.segments import RecordedSegment
from rxfeed.recording.tally import Damage, Held, Holding, Span

__all__ = [
    "Catalogue",
    "Damage",
    "Held",
    "Holding",
    "RecordStats",
    "RecordedSegment",
    "Recorder",
    "Recording",
    "Replay",
    "ReplayScheduler",
    "Session",
    "Span",
    "catalogue",
    "make_folder",
    "record",
]
