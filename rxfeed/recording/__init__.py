"""Recordings: files of all that a feed received, and their replay, which is as a live feed."""

from rxfeed.recording.catalogue import Catalogue, RecordedSession, catalogue
from rxfeed.recording.disk_space import DiskGuard, DiskSpace, DiskState, MinFree, disk_space, refusal
from rxfeed.recording.marks import MARKS, Mark, forget_marks, mark_segments, marked_segments
from rxfeed.recording.reading import Recording
from rxfeed.recording.record import Recorder, RecordStats, record
from rxfeed.recording.replay import Replay
from rxfeed.recording.retention import Expired, KeepLimits, Retention, expired
from rxfeed.recording.scheduler import ReplayScheduler
from rxfeed.recording.segment_file import make_folder
from rxfeed.recording.segments import RecordedSegment
from rxfeed.recording.stored import SegmentList, StoredSegment
from rxfeed.recording.summary import Damage, ProductSummary, RecordingSummary, Span

__all__ = [
    "MARKS",
    "Catalogue",
    "Damage",
    "DiskGuard",
    "DiskSpace",
    "DiskState",
    "Expired",
    "KeepLimits",
    "Mark",
    "MinFree",
    "ProductSummary",
    "RecordStats",
    "RecordedSegment",
    "RecordedSession",
    "Recorder",
    "Recording",
    "RecordingSummary",
    "Replay",
    "ReplayScheduler",
    "Retention",
    "SegmentList",
    "Span",
    "StoredSegment",
    "catalogue",
    "disk_space",
    "expired",
    "forget_marks",
    "make_folder",
    "mark_segments",
    "marked_segments",
    "record",
    "refusal",
]
