"""`python -m benchmarks.connections`: the cost of a message on one connection, on several, and with redundancy.

A server in a process of its own sends trades of each product, as fast as they are read. The feed's CPU time is that of
this process, for each message that a subscriber gets. The lowest of several turns counts, since noise only adds. The
last rows are the cost of connections on which nothing but heartbeats comes.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.wire import accept, framed
from rxfeed import Feed
from rxfeed.venues.coinbase_exchange.venue import CoinbaseExchange
from rxfeed.venues.venue import Limits

MESSAGES = 120_000
TURNS = 5
IDLE_SECONDS = 10.0
_AT_ONCE = 200
_MATCH = (
    '{"type":"match","trade_id":%d,"maker_order_id":"a","taker_order_id":"b","side":"buy","size":"0.01","price":"100",'
    '"product_id":"%s","sequence":%d,"time":"2026-01-02T03:04:05.%06dZ"}'
)
_BEAT = '{"type":"heartbeat","sequence":%d,"last_trade_id":0,"product_id":"%s","time":"2026-01-02T03:04:%02d.000000Z"}'


class OneProduct(CoinbaseExchange):
    """Coinbase Exchange, with one product on each connection."""

    limits = Limits(products={"matches": 1, "heartbeat": 1})


def _unmasked(data: bytes) -> str:
    """The text of a client's frame."""
    size, start = data[1] & 0x7F, 2
    if size == 126:
        size, start = int.from_bytes(data[2:4], "big"), 4
    mask, masked = data[start : start + 4], data[start + 4 : start + 4 + size]
    return bytes(byte ^ mask[place % 4] for place, byte in enumerate(masked)).decode()


def _client(sock: socket.socket, count: int) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(accept(sock.recv(65536)))
    request = json.loads(_unmasked(sock.recv(65536)))
    channels = request["channels"]
    named = [each for each in channels if isinstance(each, dict)]
    products = request.get("product_ids") or named[0]["product_ids"]
    names = [each["name"] if isinstance(each, dict) else each for each in channels]
    listed = [{"name": name, "product_ids": products} for name in names]
    sock.sendall(framed(json.dumps({"type": "subscriptions", "channels": listed}).encode()))
    with suppress(OSError):
        if count:
            for first in range(1, count + 1, _AT_ONCE):
                frames = (
                    framed((_MATCH % (number, product, number, number)).encode())
                    for number in range(first, min(first + _AT_ONCE, count + 1))
                    for product in products
                )
                sock.sendall(b"".join(frames))
            sock.recv(65536)
        for second in range(60 if not count else 0):
            sock.sendall(b"".join(framed((_BEAT % (second, product, second)).encode()) for product in products))
            time.sleep(1)


def _serve(pipe: Connection, count: int) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        pipe.send(server.getsockname()[1])
        while True:
            client, _ = server.accept()
            threading.Thread(target=_client, args=(client, count), daemon=True).start()


@contextmanager
def serving(count: int) -> Iterator[str]:
    """The URL of a server that sends *count* trades of each product; 0: a heartbeat a second."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there, count), daemon=True)
    process.start()
    try:
        yield f"ws://127.0.0.1:{here.recv()}"
    finally:
        process.terminate()
        process.join()


def cost(connections: int, redundancy: int, messages: int = MESSAGES) -> float:
    """The CPU microseconds of a delivered message, of *messages* over *connections* of different products."""
    each = messages // connections
    products = [f"P{number}-USD" for number in range(connections)]
    done, got = threading.Event(), 0

    def received(_: object) -> None:
        nonlocal got
        got += 1
        if got >= each * connections:
            done.set()

    with serving(each) as url:
        feed = Feed(products, ["matches"], venue=OneProduct(), url=url, redundancy=redundancy)
        feed.subscribe(received)
        gc.collect()
        began = time.process_time()
        with feed:
            if not done.wait(120):
                raise SystemExit(f"{got} of {each * connections} messages after 120 s")
            took = time.process_time() - began
    return took / (each * connections) * 1e6


def idle(connections: int, seconds: float = IDLE_SECONDS) -> tuple[float, float]:
    """The share of a core, and the MiB of each, of *connections* with a heartbeat a second."""
    products = [f"P{number}-USD" for number in range(connections)]
    with serving(0) as url:
        feed = Feed(products, ["heartbeat"], venue=OneProduct(), url=url)
        feed.subscribe(lambda _: None)
        gc.collect()
        before = _resident()
        with feed:
            while not all(each.up for each in feed.connections):
                time.sleep(0.05)
            time.sleep(1)
            memory = (_resident() - before) / connections / 2**20
            began, clock = time.process_time(), time.monotonic()
            time.sleep(seconds)
            return (time.process_time() - began) / (time.monotonic() - clock), memory


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--turns", type=int, default=TURNS)
    options = parser.parse_args()
    ways = [("1 connection", 1, 1), ("4 connections", 4, 1), ("30 connections", 30, 1), ("1, redundancy 2", 1, 2)]
    costs: dict[str, float] = {}
    for _ in range(options.turns):
        for name, connections, redundancy in ways:
            took = cost(connections, redundancy, options.messages)
            costs[name] = min(took, costs.get(name, took))
    for name, took in costs.items():
        print(f"{name:16} {took:6.2f} us a message, {took / costs['1 connection']:.2f} x")
    share, memory = idle(30)
    print(f"30 idle ones     {share:.2%} of a core, {memory:.2f} MiB each")
    sys.exit(share > 0.03 or memory > 1)


if __name__ == "__main__":
    main()
