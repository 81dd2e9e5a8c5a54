"""rxfeed's feed compared with other clients, on the same frames, in one run: a table, verdicts, a picture.

It runs on Linux, with the `test` extra. Each other client gets a virtual environment in .bench/ at the first run.
Latency counts from the time at which the server's clock released a message, whether or not the client had read the
earlier ones. A full run takes a quarter of an hour on two cores; end other programs first.

By default only a full run replaces the saved results: with --quick or --only, results and picture go to .bench/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.advanced_trade import advanced_trade
from benchmarks.clients import CLIENTS, ClientRunner
from benchmarks.environments import FOLDER
from benchmarks.frames import one_round
from benchmarks.goals import server_is_the_limit
from benchmarks.load_server import load_server
from benchmarks.measure import Bench, Settings
from benchmarks.plot import PICTURE, draw
from benchmarks.table import RESULTS, markdown

PARTS = ("speed", "latency", "load", "pipelines", "memory", "advanced_trade")
QUICK = Settings(messages=100_000, runs=1, seconds=2, memory=1_500_000)
FULL_MEMORY = 10_000_000


def measure(settings: Settings, names: Sequence[str], parts: Sequence[str], runner: ClientRunner) -> dict[str, Any]:
    """The results of *parts* for the clients *names*."""
    source, payloads = one_round()
    results: dict[str, Any] = {
        "when": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "source": source,
        "settings": settings._asdict(),
    }
    for name in names:
        if reason := runner.missing(CLIENTS[name]):
            print(f"missing: {runner.label(CLIENTS[name])}: {reason}")
    print(f"frames of {source}", flush=True)
    with tempfile.TemporaryDirectory() as folder, load_server(payloads, settings.prepared) as server:
        bench = Bench(runner, server, payloads, settings, Path(folder))
        todo: dict[str, Callable[[], Any]] = {
            "speed": lambda: bench.speed(names),
            "latency": lambda: bench.latency(names),
            "load": lambda: bench.load(names),
            "pipelines": bench.pipelines,
            "memory": bench.memory,
            "advanced_trade": lambda: advanced_trade(runner, settings, Path(folder)),
        }
        results["server"] = bench.drained()
        for part in parts:
            began = time.monotonic()
            results[part] = todo[part]()
            print(f"{part}: {time.monotonic() - began:.0f} s", flush=True)
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two or three minutes: one short run of each")
    parser.add_argument("--full", action="store_true", help=f"memory over {FULL_MEMORY:,} messages")
    parser.add_argument("--memory", type=int, metavar="N", help="memory over so many messages")
    parser.add_argument("--runs", type=int, metavar="N", help="of each, alternating")
    chosen = {"action": "append", "default": [], "metavar": "NAME"}
    known = f"a client ({', '.join(CLIENTS)}) or a part ({', '.join(PARTS)})"
    parser.add_argument("--only", choices=[*CLIENTS, *PARTS], help=f"{known}; may be repeated", **chosen)
    parser.add_argument("--json", type=Path, help="where the results go (default benchmarks/results.json)")
    parser.add_argument("--plot", type=Path, help="where the picture and its dark variant go (default docs/)")
    options = parser.parse_args(arguments)

    settings = QUICK if options.quick else Settings()
    if options.full or options.memory:
        settings = settings._replace(memory=options.memory or FULL_MEMORY)
    if options.runs:
        settings = settings._replace(runs=options.runs)
    names = [name for name in CLIENTS if name in options.only] or list(CLIENTS)
    parts = [part for part in PARTS if part in options.only] or list(PARTS)
    results = measure(settings, names, parts, ClientRunner())

    print(f"\n{markdown(results)}")
    for row in results.get("speed", {}).values():
        if "rate" in row and server_is_the_limit(row["rate"], results["server"]):
            print(f"the server is the limit for {row['label']}")
    partial = options.quick or options.only
    where = options.json or (FOLDER / "results.json" if partial else RESULTS)
    picture = options.plot or (FOLDER / "benchmarks.png" if partial else PICTURE)
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_text(json.dumps(results, indent=1) + "\n")
    drawn = f", {picture}" if {"speed", "latency", "load"} & results.keys() else ""
    if drawn:
        draw(results, picture)
        draw(results, picture.with_stem(f"{picture.stem}-dark"), dark=True)
    print(f"\nsaved {where}{drawn}")


if __name__ == "__main__":
    main()
