"""The same task, with two machines that do the same work."""

from __future__ import annotations

from rxfeed.core import TumblingVolume
from tests.benchmarks.honest import steps

TASKS = {"window_volume": lambda count: steps(TumblingVolume(60), TumblingVolume(60), count=count)}
