"""A recorder that is killed again and again: the exchange, the files and MongoDB agree on every trade.

    python -m tests.soak_kills --rounds 50 --seed 1

Each round starts `rxfeed record --mongo`, and kills it (SIGKILL) at a random moment. In the last the market pauses,
and SIGTERM ends the recorder. Trade ids are consecutive, so that every trade is accounted for: it is in the files and
in MongoDB; or it was lost in the last seconds before a kill (those of `SYNC`, and of one write); or no recorder was
connected.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymongo

from rxfeed.sim import Exchange
from rxfeed.sim.mongod import Mongod
from tests.support.recordings import lines_of, segments

PRODUCT = "BTC-USD"
SYNC = 0.1
WRITE = 1.0
"""Seconds that a write to the disk may take on a busy machine."""


def kills(rounds: int, seed: int, folder: Path, show: Callable[[str], object] = lambda line: None) -> dict[str, Any]:
    """The ledger of *rounds* kills and one regular end; `problems` in it is empty if everything agrees."""
    moments = random.Random(seed)
    ledger: dict[str, Any] = {"recorded": 0, "stored": 0, "lost": 0, "problems": []}
    with (
        Mongod() as server,
        pymongo.MongoClient[Any](server.uri) as client,
        Exchange([PRODUCT], seed=seed, rate=500) as exchange,
    ):
        ends: list[tuple[int, int]] = []  # the last trade of the exchange at each kill, and those in SYNC + WRITE
        for number in range(rounds + 1):
            known = len(segments(folder))
            recorder = _start(exchange.url, server.uri, folder)
            try:
                _wait(lambda known=known: any(map(_trades, segments(folder)[known:])))
                if number == rounds:
                    exchange.pause()
                    last = exchange.last_trade_id(PRODUCT)
                    _wait(lambda last=last: _trades(segments(folder)[-1])[-1] == last)
                    recorder.send_signal(signal.SIGTERM)
                    ledger["status"] = recorder.wait(30)
                    ends.append((exchange.last_trade_id(PRODUCT), 0))
                else:
                    time.sleep(moments.uniform(0, 0.6))
                    began, before = time.monotonic(), exchange.last_trade_id(PRODUCT)
                    recorder.kill()
                    recorder.wait()
                    time.sleep(0.1)
                    rate = (exchange.last_trade_id(PRODUCT) - before) / (time.monotonic() - began)
                    ends.append((exchange.last_trade_id(PRODUCT), round(2 * rate * (SYNC + WRITE)) + 20))
            finally:
                recorder.kill()
                recorder.wait()
            show(f"round {number}: the exchange is at trade {ends[-1][0]}")
        _compare(folder, _stored(client), ends, ledger)
    return ledger


def _start(url: str, mongo: str, folder: Path) -> subprocess.Popen[bytes]:
    options = ["--channel", "matches", "--url", url, "--to", str(folder), "--mongo", mongo, "--sync", str(SYNC)]
    command = [sys.executable, "-m", "rxfeed.cli", "record", PRODUCT, *options, "--segment-mb", "0.003"]
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(command, start_new_session=True, stdin=nowhere, stdout=nowhere, stderr=nowhere)


def _trades(path: Path) -> list[int]:
    frames = (line["frame"] for line in lines_of(path) if "frame" in line)
    return [frame["trade_id"] for frame in frames if frame["type"] == "match"]


def _stored(client: pymongo.MongoClient[Any]) -> list[int]:
    found = client.rxfeed.messages.find({"type": "match"}, {"trade_id": 1}).sort("trade_id", 1)
    return [document["trade_id"] for document in found]


def _compare(folder: Path, stored: list[int], ends: list[tuple[int, int]], ledger: dict[str, Any]) -> None:
    problems: list[str] = ledger["problems"]
    sessions: dict[str, list[int]] = {}
    for path in segments(folder):
        sessions.setdefault(path.name.split("-")[1], []).extend(_trades(path))
    runs = sorted(sessions.values())
    if len(runs) != len(ends):
        problems.append(f"{len(runs)} sessions for {len(ends)} recorders")
    if len(set(stored)) != len(stored):
        problems.append("a trade is stored twice")
    for number, (run, (last, allowed)) in enumerate(zip(runs, ends, strict=False)):
        documents = [each for each in stored if run[0] <= each <= last]
        for name, found in (("recorded", run), ("stored", documents)):
            ledger[name] += len(found)
            if found != list(range(run[0], run[0] + len(found))):
                problems.append(f"round {number}: a trade is missing between those {name}")
            elif not 0 <= last - found[-1] <= allowed:
                problems.append(f"round {number}: {name} to {found[-1]}, the exchange to {last}: over {allowed}")
        ledger["lost"] += last - max(run[-1], documents[-1] if documents else 0)
    if ledger.get("status") != 0:
        problems.append(f"the last recorder ended with {ledger.get('status')}")


def _wait(condition: Callable[[], object], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak_kills", description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ledger = kills(options.rounds, options.seed, Path(folder), lambda line: print(line, flush=True))
    print(json.dumps(ledger, indent=2))
    raise SystemExit(1 if ledger["problems"] else 0)


if __name__ == "__main__":
    main()
