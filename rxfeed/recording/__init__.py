"""Recordings: files of all that a feed received, and their replay, which is as a live feed."""

from rxfeed.recording.catalogue import Catalogue, RecordedSession, catalogue
from rxfeed.recording.contents import Contents, Epochs, Receiver, TextLine
from rxfeed.recording.files import Part, find, named_venue, ordered, within
from rxfeed.recording.reading import Recording, SegmentOpen
from rxfeed.recording.record import Recorder, RecordStats, record
from rxfeed.recording.replay import Replay
from rxfeed.recording.scheduler import ReplayScheduler
from rxfeed.recording.segment_file import make_folder
from rxfeed.recording.segments import RecordedSegment
from rxfeed.recording.summary import Damage, ProductSummary, RecordingSummary, Span
from rxfeed.recording.time_range import TimeRange
from rxfeed.recording.timestamps import moment_of, ns_of

__all__ = [
    "Catalogue",
    "Contents",
    "Damage",
    "Epochs",
    "Part",
    "ProductSummary",
    "Receiver",
    "RecordStats",
    "RecordedSegment",
    "RecordedSession",
    "Recorder",
    "Recording",
    "RecordingSummary",
    "Replay",
    "ReplayScheduler",
    "SegmentOpen",
    "Span",
    "TextLine",
    "TimeRange",
    "catalogue",
    "find",
    "make_folder",
    "moment_of",
    "named_venue",
    "ns_of",
    "ordered",
    "record",
    "within",
]
