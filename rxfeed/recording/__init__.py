"""Recordings: what a feed received, kept in files, and played again as if it were live."""

from rxfeed.recording.replay import Replay
from rxfeed.recording.scheduler import ReplayScheduler

__all__ = ["Replay", "ReplayScheduler"]
