"""One of the guard's tasks, as it is."""

from __future__ import annotations

from benchmarks.guarded import TASKS as ALL

TASKS = {"window_volume": ALL["window_volume"]}
