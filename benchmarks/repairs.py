"""`python -m benchmarks.repairs`: whether other products and books wait while trades are repaired, in one run.

A server sends matches, tickers and books of two products at 5,000 messages a second, and serves missing trades over
REST after 50 ms, as the venue does. Both are processes of their own. Two feeds of equal work read one stream each, in
turns: one misses no trade, and of the other trades of the first product are missing every second, which it requests and
delivers late. Measured is the time from the moment at which the server released a message to its subscriber, of the
messages that are not the first product's trades. The messages that arrive while trades are held are also compared with
those of as long a time just before, in the same run.

Other programs delay both feeds by chance, and a share of 1 % of the messages, on which p99 depends, is soon reached. So
the p99 of each second is taken, which has one repair in it, and then the median of the seconds. All processes have the
priority of real time, where the system permits it; without it, other programs are measured too. That of the REST API is
lower, since it is another machine's work at a venue. A full garbage collection takes some 15 ms, as long as 75
messages: so what exists before a run is frozen, and what is measured is kept in arrays.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import multiprocessing
import os
import socket
import statistics
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from benchmarks.latency import percentiles
from benchmarks.load_server import load_server
from rxfeed import Feed, Match, order_book, window_volume
from rxfeed.feed import Repaired
from rxfeed.market import Message

RATE = 5000  # messages a second; of the repaired product, a tenth of them are trades
_FIRST = 50  # trade of each second that is missing
MOST = 1.1  # what p99 may be, times that without repairs
REPAIRED, OTHER = "AAA-USD", "BBB-USD"
_SECONDS = 5
_TURNS = 9
_ANSWER = 0.05
_DELIVERY = 0.02  # seconds for the delivery of what was held
_PRIORITY = 10
_REST_PRIORITY = 1
_MOST_TRADES = 1000  # of an answer, as at the venue
_TIME = "2026-01-02T12:00:00.%06dZ"


class Repairing(NamedTuple):
    """Seconds of the p99 of each second, without and with repairs, and how many repairs there were."""

    without: list[float]
    with_repairs: list[float]
    repaired: int
    before: list[float]
    during: list[float]
    """Seconds of each message, as long before a repair as it lasts, and during it."""
    missing: int = 1
    real_time: bool = False

    @property
    def ratio_within(self) -> float:
        """p99 of the messages during repairs, as a multiple of that of those just before."""
        if not (self.before and self.during):
            return math.nan
        before, during = (percentiles(each)["p99"] for each in (self.before, self.during))
        return during / before

    @property
    def ratio(self) -> float:
        """The median of p99 with repairs, as a multiple of that without them."""
        return statistics.median(self.with_repairs) / statistics.median(self.without)

    def __str__(self) -> str:
        milliseconds = [statistics.median(each) * 1e3 for each in (self.without, self.with_repairs)]
        return (
            f"other products and books at {RATE:,} messages/s, with {self.repaired} repairs of {self.missing} in all: "
            f"p99 {milliseconds[1]:.3f} ms, {self.ratio:.2f} of {milliseconds[0]:.3f} ms without, as medians "
            f"of {len(self.without)} seconds each; the goal is {MOST}. "
            f"Within the runs: {self.ratio_within:.2f} of just before the repairs"
            f"{'' if self.real_time else '. Without the priority of real time, other programs are measured too'}"
        )


def measure(seconds: int = _SECONDS, turns: int = _TURNS, missing: int = 1) -> Repairing:
    """Measure both feeds for so many *seconds*, alternating, in *turns*; so many trades a second are *missing*."""
    count = seconds * RATE
    rest = _Rest(trades=count // 10 + 1)
    p99s: dict[bool, list[float]] = {False: [], True: []}
    repaired = 0
    before: list[float] = []
    during: list[float] = []
    try:
        servers = {each: load_server(_payloads(count, each), count) for each in (0, missing)}
        with servers[0] as whole, servers[missing] as lossy:
            for turn in range(turns):
                for is_lossy in (False, True) if turn % 2 else (True, False):
                    server = lossy if is_lossy else whole
                    latencies, found = _run(server.url(count, RATE), rest.url, count, server.sent)
                    p99s[is_lossy] += _of_seconds(latencies)
                    repaired += len(found)
                    for start, end in found:
                        until = end + _DELIVERY
                        before += [each for at, each in latencies if 2 * start - until <= at < start]
                        during += [each for at, each in latencies if start <= at < until]
    finally:
        rest.close()
    return Repairing(p99s[False], p99s[True], repaired, before, during, missing)


def _of_seconds(latencies: Sequence[tuple[float, float]]) -> list[float]:
    """The p99 of each second's messages."""
    seconds: dict[int, list[float]] = {}
    for at, each in latencies:
        seconds.setdefault(int(at - latencies[0][0]), []).append(each)
    whole = [each for each in seconds.values() if len(each) > RATE // 2]
    return [percentiles(each)["p99"] for each in whole or seconds.values()]


def _run(
    url: str, rest_url: str, count: int, sent: Callable[[], array[int]]
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """When each message arrived, and how late, in seconds; and when trades were held."""
    feed = Feed(
        [REPAIRED, OTHER], ["matches", "ticker", "level2"], url=url, rest_url=rest_url, repair=True, reconnect=False
    )
    numbers, arrived = array("q"), array("q")
    repaired: list[tuple[float, float]] = []

    def take(message: Message) -> None:
        if isinstance(message, Match) and message.product_id == REPAIRED:
            return
        numbers.append(int(message.raw[7:15]))
        arrived.append(time.monotonic_ns())

    feed.subscribe(take)
    feed.pipe(window_volume(60)).subscribe(lambda window: None)
    feed.pipe(order_book(OTHER)).subscribe(lambda view: None)

    def note(status: object) -> None:
        if isinstance(status, Repaired):
            now = time.monotonic()
            repaired.append((now - status.seconds, now))

    feed.status.subscribe(note)
    gc.collect()
    gc.freeze()
    feed.connect()
    while feed.stats.frames < count and not feed.wait(0.05):
        pass
    feed.close()
    gc.unfreeze()
    times = sent()
    measured = [*zip(numbers, arrived, strict=True)][RATE // 2 :]
    return [(at / 1e9, (at - times[number]) / 1e9) for number, at in measured], repaired


def _payloads(count: int, missing: int) -> list[bytes]:
    """*count* frames, each with its number at a fixed place; so many trades a second are *missing*."""
    frames: list[bytes] = []
    trades = {REPAIRED: 0, OTHER: 0}
    for number in range(count):
        product = (REPAIRED, OTHER)[number // 5 % 2]
        time_ = _TIME % (number % 1_000_000)
        head = f'{{"no":"{number:08}","product_id":"{product}","time":"{time_}"'
        kind = number % 5
        if number < 10 and kind == 4:
            frames.append(
                f'{{"no":"{number:08}","type":"snapshot","product_id":"{product}","bids":[["9","1"]],"asks":[["11","1"]]}}'.encode()
            )
        elif kind == 0:
            trades[product] += 1
            if product == REPAIRED and 0 <= trades[product] % (RATE // 10) - _FIRST < missing:
                frames.append(_ticker(head, number))
            else:
                frames.append(
                    f'{head},"type":"match","trade_id":{trades[product]},"sequence":{number},"side":"buy","price":"10",'
                    '"size":"1","maker_order_id":"m","taker_order_id":"t"}'.encode()
                )
        elif kind == 4:
            frames.append(f'{head},"type":"l2update","changes":[["buy","9","{number % 7 + 1}"]]}}'.encode())
        else:
            frames.append(_ticker(head, number))
    return frames


def _ticker(head: str, number: int) -> bytes:
    return f'{head},"type":"ticker","price":"10","sequence":{number + 1}}}'.encode()


class _Rest:
    """A REST API that has the product's first *trades*, in a process of its own."""

    def __init__(self, trades: int) -> None:
        own, other = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(
            target=_serve_rest, args=(other, trades), daemon=True
        )
        self._process.start()
        self.url: str = own.recv()

    def close(self) -> None:
        self._process.kill()
        self._process.join()


def _serve_rest(pipe: Connection, trades: int) -> None:
    """Answer one request after the other. The items are made before, since at a venue another machine makes them."""
    if hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) == os.SCHED_RR:
        real_time(_REST_PRIORITY)
    items = [json.dumps(_item(number)).encode() for number in range(trades)]
    gc.freeze()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pipe.send(f"http://127.0.0.1:{listener.getsockname()[1]}")
        while True:
            client, _ = listener.accept()
            with client, client.makefile("rb") as received:
                while line := received.readline():  # one request after the other, until the client hangs up
                    target = line.split()[1].decode()
                    while received.readline().strip():  # the headers
                        pass
                    time.sleep(_ANSWER)
                    client.sendall(_answer(items, dict(parse_qsl(urlsplit(target).query))))


def _answer(items: Sequence[bytes], query: Mapping[str, str]) -> bytes:
    """The trades before `after`, newest first."""
    until = int(query.get("after", len(items)))
    page = items[max(0, until - int(query.get("limit", _MOST_TRADES))) : until]
    body = b"[" + b",".join(reversed(page)) + b"]"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _item(number: int) -> dict[str, object]:
    return {"trade_id": number, "side": "buy", "price": "10", "size": "1", "time": _TIME % (number * 10 % 1_000_000)}


def real_time(priority: int = _PRIORITY) -> bool:
    """Give this process and those that it starts precedence over other programs; False if that is not permitted."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(priority))
    except (AttributeError, OSError):
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.repairs", description=__doc__)
    parser.add_argument("--seconds", type=int, default=_SECONDS, help="of each turn")
    parser.add_argument("--turns", type=int, default=_TURNS)
    parser.add_argument("--missing", type=int, default=1, help="trades of each repair")
    options = parser.parse_args(arguments)
    precedence = real_time()
    print(measure(options.seconds, options.turns, options.missing)._replace(real_time=precedence))


if __name__ == "__main__":
    main()
