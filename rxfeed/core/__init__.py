"""Pure machines: no Rx, no threads, no clocks, no I/O. Time is what the messages say."""

from rxfeed.core.backoff import Backoff, Reconnect
from rxfeed.core.continuity import Continuity, Missed
from rxfeed.core.crossing import PriceCross, PriceCrossing
from rxfeed.core.liveness import HeartbeatWatch, Keepalive, Watchdog
from rxfeed.core.machine import Machine, fold
from rxfeed.core.windows import TumblingVolume, VolumeWindow

__all__ = [
    "Backoff",
    "Continuity",
    "HeartbeatWatch",
    "Keepalive",
    "Machine",
    "Missed",
    "PriceCross",
    "PriceCrossing",
    "Reconnect",
    "TumblingVolume",
    "VolumeWindow",
    "Watchdog",
    "fold",
]
