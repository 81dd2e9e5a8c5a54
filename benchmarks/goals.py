"""The goals of rxfeed's feed, and whether they are met: ratios of medians within one run."""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

from benchmarks.measure import LOAD, MEMORY_FROM

_FLAT = 1 << 20  # bytes: the memory of an allocator varies by some pages
_SERVER_SHARE = 0.5


class Verdict(NamedTuple):
    """If *measured* is None there is nothing to compare, and *note* has the reason."""

    what: str
    asked: float
    measured: float | None
    unit: str = "x"
    at_most: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured <= self.asked if self.at_most else self.measured >= self.asked

    def __str__(self) -> str:
        bound = f"{'at most' if self.at_most else 'at least'} {self.asked:g} {self.unit}"
        if self.measured is None:
            return f"not measured ({self.note}): {self.what}: {bound}"
        outcome = "met" if self.met else f"MISSED by {abs(self.measured / self.asked - 1):.0%}"
        note = f" ({self.note})" if self.note else ""
        return f"{outcome}: {self.what}: {self.measured:.3g} {self.unit}, {bound}{note}"


def verdicts(results: dict[str, Any]) -> list[Verdict]:
    """One for each goal of a measured part."""
    found: list[Verdict] = []
    if "speed" in results:
        found += _speed(results["speed"], results["server"])
    if "pipelines" in results:
        costs = results["pipelines"]
        found.append(Verdict("ten pipelines, the CPU of one", 2, costs["ten"] / costs["one"], at_most=True))
    if "latency" in results:
        found.append(_latency(results["latency"]))
    if "load" in results:
        found += _load(results["load"])
    if "memory" in results:
        found.append(_memory(results["memory"]))
    if "advanced_trade" in results:
        found += _advanced_trade(results["advanced_trade"])
    return found


def server_is_the_limit(rate: float, server: float) -> bool:
    """True if a client takes so large a part of the server's rate that the server may be what was measured."""
    return rate > _SERVER_SHARE * server


def growth(memory: dict[str, Any]) -> float | None:
    """Bytes of growth after the first million: the median of the last fifth minus that of the first fifth."""
    after = memory["samples"][MEMORY_FROM // memory["every"] :]
    fifth = len(after) // 5
    if not fifth:
        return None
    return statistics.median(after[-fifth:]) - statistics.median(after[:fifth])


def _speed(rows: dict[str, Any], server: float) -> list[Verdict]:
    wheel = "wheel" in rows.get("cbpro", {}).get("label", "")
    goals = [
        ("pipeline", "cbpro", 30 if wheel else 15),
        ("pipeline", "advanced", 4),
        ("pipeline", "picows", 0.45),
        ("compat", "cbpro", 20 if wheel else 10),
    ]
    if "matches" in rows:  # a client of later runs than the others
        goals += [("matches", "advanced", 8), ("matches", "picows", 0.8)]
    return [_compared(rows, own, other, asked, server) for own, other, asked in goals]


def _compared(rows: dict[str, Any], own: str, other: str, asked: float, server: float) -> Verdict:
    what = f"{_label(rows, own)}, the speed of {_label(rows, other)}"
    lacking = next((name for name in (own, other) if "rate" not in rows.get(name, {})), None)
    if lacking:
        return Verdict(what, asked, None, note=f"no {_label(rows, lacking)}")
    limited = server_is_the_limit(rows[other]["rate"], server)
    note = "the server being the limit" if limited else ""
    return Verdict(what, asked, rows[own]["rate"] / rows[other]["rate"], note=note)


def _latency(rows: dict[str, Any]) -> Verdict:
    what = f"p99 latency at {LOAD:,} messages/s, that of the plain websocket-client loop"
    p99 = {name: rows.get(name, {}).get(str(LOAD), {}).get("p99") for name in ("feed", "websocket")}
    if None in p99.values():
        return Verdict(what, 1.1, None, at_most=True, note="one of the two has none")
    return Verdict(what, 1.1, p99["feed"] / p99["websocket"], at_most=True)


def _load(paces: dict[str, Any]) -> list[Verdict]:
    bursts, packets = paces["bursts"], paces["packets"]
    found: list[Verdict] = []
    if "cpu" in bursts.get("feed", {}):
        found.append(Verdict(f"CPU at {LOAD:,} messages/s in bursts", 8, bursts["feed"]["cpu"], "%", at_most=True))
    for rows, other, asked, pace in ((bursts, "cbpro", 0.25, "in bursts"), (packets, "bare", 1.4, "one a packet")):
        what = f"CPU at {LOAD:,} messages/s {pace}, that of {_label(rows, other)}"
        if "cpu" in rows.get("feed", {}) and "cpu" in rows.get(other, {}):
            found.append(Verdict(what, asked, rows["feed"]["cpu"] / rows[other]["cpu"], at_most=True))
        else:
            found.append(Verdict(what, asked, None, at_most=True, note="one of the two is missing"))
    return found


def _memory(memory: dict[str, Any]) -> Verdict:
    grown = growth(memory)
    what = f"memory over {memory['messages']:,} messages, growth after the first million"
    if grown is None:
        return Verdict(what, _FLAT / 2**20, None, "MiB", at_most=True, note="too few messages")
    return Verdict(what, _FLAT / 2**20, grown / 2**20, "MiB", at_most=True)


def _advanced_trade(part: dict[str, Any]) -> list[Verdict]:
    """The speed by the clock or by CPU time, whichever is less: other load delays the slower client more."""
    rows, snapshot = part["rows"], part["snapshot"]
    speed = _compared(rows, "pipeline", "advanced", 4, part["server"])
    speed = speed._replace(what=f"Advanced Trade, {speed.what}")
    if speed.measured is not None:
        by_cpu = rows["advanced"]["cpu"] / rows["pipeline"]["cpu"]
        if by_cpu < speed.measured:
            speed = speed._replace(measured=by_cpu, note=f"by CPU time; {speed.measured:.3g} x by the clock")
    what = f"Advanced Trade, a book of {snapshot['levels']:,} levels from its snapshot"
    return [speed, Verdict(what, 1, snapshot["seconds"], "s", at_most=True)]


def _label(rows: dict[str, Any], name: str) -> str:
    return rows.get(name, {}).get("label", name)
