"""Recordings: files of all that a feed received, and their replay, which is as a live feed."""

from rxfeed.recording.bulk import together
from rxfeed.recording.catalogue import Catalogue, RecordedSession, catalogue
from rxfeed.recording.chunks import Chunk
from rxfeed.recording.compression import compressor
from rxfeed.recording.contents import Contents, Epochs, Receiver, TextLine
from rxfeed.recording.disk_space import DiskGuard, DiskSpace, DiskState, MinFree, disk_space, refusal
from rxfeed.recording.events import status_of
from rxfeed.recording.files import (
    Part,
    Repairs,
    find,
    named_venue,
    ordered,
    unused_repairs,
    within,
    without_repairs,
)
from rxfeed.recording.format import (
    REST,
    VERSION,
    Header,
    Line,
    LostNumbers,
    decode_line,
    end_line,
    header_line,
    inserted_line,
    lost_line,
)
from rxfeed.recording.insertions import REPAIRED_IDS, inserted, joined, listed_ids
from rxfeed.recording.item_player import content_of
from rxfeed.recording.lines import Lines, Recordable
from rxfeed.recording.marks import MARKS, Mark, forget_marks, mark_segments, marked_segments
from rxfeed.recording.merging import doubted_kinds, merged_statuses, received_frame, received_line, repaired
from rxfeed.recording.opening import HAS_LOCKS, open_file, try_lock
from rxfeed.recording.pacer import Pacer
from rxfeed.recording.player import Player
from rxfeed.recording.reading import Recording, SegmentOpen
from rxfeed.recording.record import Recorder, RecordStats, record
from rxfeed.recording.recorded_ids import apply, recorded_ids
from rxfeed.recording.replay import Replay
from rxfeed.recording.retention import Expired, KeepLimits, Retention, expired
from rxfeed.recording.scheduler import ReplayScheduler
from rxfeed.recording.segment_file import make_folder
from rxfeed.recording.segments import RecordedSegment
from rxfeed.recording.stored import SegmentList, StoredSegment
from rxfeed.recording.summary import Damage, ProductSummary, RecordingSummary, Span
from rxfeed.recording.time_range import TimeRange
from rxfeed.recording.timestamps import Moment, moment_of, ns_of

__all__ = [
    "HAS_LOCKS",
    "MARKS",
    "REPAIRED_IDS",
    "REST",
    "VERSION",
    "Catalogue",
    "Chunk",
    "Contents",
    "Damage",
    "DiskGuard",
    "DiskSpace",
    "DiskState",
    "Epochs",
    "Expired",
    "Header",
    "KeepLimits",
    "Line",
    "Lines",
    "LostNumbers",
    "Mark",
    "MinFree",
    "Moment",
    "Pacer",
    "Part",
    "Player",
    "ProductSummary",
    "Receiver",
    "RecordStats",
    "Recordable",
    "RecordedSegment",
    "RecordedSession",
    "Recorder",
    "Recording",
    "RecordingSummary",
    "Repairs",
    "Replay",
    "ReplayScheduler",
    "Retention",
    "SegmentList",
    "SegmentOpen",
    "Span",
    "StoredSegment",
    "TextLine",
    "TimeRange",
    "apply",
    "catalogue",
    "compressor",
    "content_of",
    "decode_line",
    "disk_space",
    "doubted_kinds",
    "end_line",
    "expired",
    "find",
    "forget_marks",
    "header_line",
    "inserted",
    "inserted_line",
    "joined",
    "listed_ids",
    "lost_line",
    "make_folder",
    "mark_segments",
    "marked_segments",
    "merged_statuses",
    "moment_of",
    "named_venue",
    "ns_of",
    "open_file",
    "ordered",
    "received_frame",
    "received_line",
    "record",
    "recorded_ids",
    "refusal",
    "repaired",
    "status_of",
    "together",
    "try_lock",
    "unused_repairs",
    "within",
    "without_repairs",
]
