"""Results as a run saves them, with all that may be in them."""

from __future__ import annotations

from typing import Any


def row(label: str, rate: float) -> dict[str, Any]:
    return {"label": label, "rate": rate, "cpu": 1e6 / rate, "peak": 40 << 20, "rates": [rate]}


def results() -> dict[str, Any]:
    fine = {"p50": 0.0001, "p99": 0.001, "p99.9": 0.002}
    return {
        "when": "2026-01-02",
        "machine": "Linux x86_64",
        "cores": 2,
        "python": "3.11.7",
        "source": "sim.Exchange",
        "settings": {"messages": 1000, "runs": 3, "seconds": 1, "memory": 2_000_000},
        "server": 20_000_000.0,
        "speed": {
            "pipeline": row("rxfeed: pipeline", 400_000.0),
            "feed": row("rxfeed: feed", 410_000.0),
            "compat": row("rxfeed.compat: dict", 290_000.0),
            "cbpro": row("cbpro (GitHub master) 1.1.4", 20_000.0),
            "advanced": row("advanced", 200_000.0),
            "picows": {"label": "picows", "missing": "no wheel | for this machine"},
        },
        "latency": {
            "feed": dict.fromkeys(("1000", "5000", "20000"), fine),
            "websocket": {"1000": fine, "5000": {**fine, "p99": 0.0005}, "20000": {"behind": True}},
            "picows": {rate: {"failed": "no wheel"} for rate in ("1000", "5000", "20000")},
        },
        "load": {
            "bursts": {
                "feed": {"label": "rxfeed: at work", "cpu": 4.0, "runs": [4.0]},
                "cbpro": {"label": "cbpro at work", "cpu": 32.0, "runs": [32.0]},
                "bare": {"label": "bare loop", "cpu": 2.0, "runs": [2.0]},
            },
            "packets": {
                "feed": {"label": "rxfeed: at work", "cpu": 20.0, "runs": [20.0]},
                "cbpro": {"label": "cbpro at work", "missing": "not done"},
                "bare": {"label": "bare loop", "cpu": 10.0, "runs": [10.0]},
            },
        },
        "pipelines": {"one": 2.0, "ten": 3.0, "pairs": [["level2", "A-B"]]},
        "memory": {
            "messages": 2_000_000,
            "every": 100_000,
            "samples": [(30 + min(at, 9)) << 20 for at in range(20)],
            "windows": 9,
            "crossings": 3,
        },
    }


def advanced_trade() -> dict[str, Any]:
    """The part of the second venue."""
    return {
        "when": "2026-01-03",
        "source": "sim.Exchange",
        "runs": 3,
        "bytes": 700.4,
        "server": 2_000_000.0,
        "rows": {
            "pipeline": {**row("rxfeed: window", 300_000.0), "trades": 30_000.0},
            "filter": {**row("rxfeed: filter", 90_000.0), "trades": 9_000.0},
            "advanced": {**row("advanced 1.8", 60_000.0), "trades": 6_000.0},
        },
        "snapshot": {"bytes": 5_079_379, "levels": 46_000, "seconds": 0.2},
    }
