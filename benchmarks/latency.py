"""Latencies: from the server's send to the user's callback."""

from __future__ import annotations

import math
from collections.abc import Sequence

SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
_TOO_LATE = 0.1  # seconds
_PACE = 0.95


def percentiles(latencies: Sequence[float]) -> dict[str, float]:
    """Percentiles by nearest rank: of a hundred latencies the p99 is the 99th.

    >>> percentiles(range(1, 1001))
    {'p50': 500, 'p99': 990, 'p99.9': 999}
    """
    ranked = sorted(latencies)
    return {name: ranked[math.ceil(share * len(ranked)) - 1] for name, share in SHARES.items()}


def keeps_up(latencies: Sequence[float]) -> bool:
    """False if, at the end of the run, most messages are a tenth of a second late: the backlog grows."""
    last = sorted(latencies[-max(1, len(latencies) // 10) :])
    return last[len(last) // 2] < _TOO_LATE


def pace_kept(sent: Sequence[int], rate: int) -> bool:
    """False if the server itself, by its times in nanoseconds, was slower than *rate*: then it is the limit."""
    if len(sent) < 2:
        return True
    return (len(sent) - 1) / rate >= _PACE * (sent[-1] - sent[0]) / 1e9
