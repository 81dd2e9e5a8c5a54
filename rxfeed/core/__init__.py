"""Pure machines: no Rx, no threads, no clocks, no I/O. Time is what the messages say."""

from rxfeed.core.crossing import PriceCross, PriceCrossing
from rxfeed.core.liveness import Keepalive
from rxfeed.core.machine import Machine, fold
from rxfeed.core.windows import TumblingVolume, VolumeWindow

__all__ = ["Keepalive", "Machine", "PriceCross", "PriceCrossing", "TumblingVolume", "VolumeWindow", "fold"]
