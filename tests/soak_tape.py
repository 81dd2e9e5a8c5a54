"""Kills the publishers, servers, consumers and workers of tapes: `python -m tests.soak_tape`.

The tape must have each trade once, a consumer's windows must be those of a plain loop over all trades of the exchange,
and the results of workers those of a run that nothing disturbs.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

from rxfeed import Feed, Trade, window_volume
from rxfeed.sim import Exchange
from rxfeed.sim.nats_server import NatsServer
from rxfeed.tape import NatsFeed, to_nats
from rxfeed.tape.result_stream import encoded
from rxfeed.testing import trade
from tests.sinks.servers import until
from tests.support.collect import Collected
from tests.tape.tapes import messages_of, with_client

ROOT = Path(__file__).parents[1]
PRODUCTS = ["BTC-USD", "ETH-USD"]
CHANNELS = ["matches", "ticker", "heartbeat"]
CONSUMER = """
import sys
from rxfeed import window_volume
from rxfeed.tape import NatsFeed
feed = NatsFeed(sys.argv[1], ["BTC-USD", "ETH-USD"], ["matches", "heartbeat"], since="all")
with open(sys.argv[2], "w") as file:
    write = lambda w: print(w.product_id, w.start.timestamp(), w.volume, w.complete, file=file, flush=True)
    feed.pipe(window_volume(1)).subscribe(write)
    feed.run()
"""
STUDY = """
from rxfeed import window_volume
def study(source):
    return source.pipe(window_volume(1))
"""


class Program:
    """A process that is killed and started again."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        with Path(os.environ.get("RXFEED_SOAK_LOG", os.devnull)).open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self._arguments], stdout=subprocess.DEVNULL, stderr=log, cwd=ROOT
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def rxfeed(*arguments: str) -> Program:
    return Program("-m", "rxfeed.cli", *arguments)


def kills(each: int, *, rate: float, seed: int, folder: Path, consumes: bool = True) -> dict[str, Any]:
    """Kill a publisher, the server and a consumer, *each* so many times, in a random order; two publishers.

    Not *consumes*: without the consumer, which is a process of its own, and with the other publisher in this one.
    """
    random.seed(seed)
    problems: list[str] = []
    output = folder / "windows"
    with (
        NatsServer() as server,
        Exchange(PRODUCTS, seed=seed, rate=rate, auto=False) as exchange,
        ExitStack() as ends,
    ):
        reference = Feed(PRODUCTS, CHANNELS, url=exchange.url)
        ledger = Collected(reference)
        options = [*PRODUCTS, "--url", exchange.url, "--nats", server.url, "--shared"]
        options += [part for channel in CHANNELS for part in ("--channel", channel)]
        names = ("one", "other") if consumes else ("one",)
        publishers = [ends.enter_context(rxfeed("publish", *options, "--publisher", name)) for name in names]
        other = Feed(PRODUCTS, CHANNELS, url=exchange.url)
        ends.callback(other.close)
        if not consumes:
            other.pipe(to_nats(server.url, shared=True, publisher="other")).subscribe()
            other.connect()
        consumer = ends.enter_context(Program("-c", CONSUMER, server.url, str(output))) if consumes else None
        with reference:
            exchange.wait_for_clients(3, timeout=90)
            exchange.resume()
            time.sleep(1)
            began = time.monotonic()
            plan = [kind for kind in ("publisher", "server", "consumer")[: 2 + consumes] for _ in range(each)]
            random.shuffle(plan)
            for count, kind in enumerate(plan):
                time.sleep(random.uniform(0.2, 0.6))
                if kind == "server":
                    server.kill()
                    time.sleep(random.uniform(0.0, 0.5))
                    server.start()
                    time.sleep(1.0)
                elif kind == "consumer" and consumer is not None:
                    consumer.kill()
                    consumer.start()
                else:
                    publishers[count % len(names)].kill()
                    time.sleep(random.uniform(0.0, 0.3))
                    publishers[count % len(names)].start()
                    # Until it is subscribed again, the other one must not be killed.
                    exchange.wait_for_clients(3, timeout=90)
                    time.sleep(0.5)
            time.sleep(1)
            seconds = time.monotonic() - began
            exchange.pause()
            time.sleep(2.5)
        other.close()
        for each_publisher in publishers:
            each_publisher.process.terminate()
            each_publisher.process.wait()
        trades = [item for item in ledger.items if isinstance(item, Trade)]
        expected = _windows(trades)
        tape = NatsFeed(server.url, PRODUCTS, since="all", until="now")
        got = Collected(tape)
        windows = Collected(tape.pipe(window_volume(1)))
        tape.serve()
        if consumer is not None:
            time.sleep(3)
            consumer.kill()
        on_tape = [item for item in got.items if isinstance(item, Trade)]
        ids = Counter((message.headers or {})["Nats-Msg-Id"] for message in messages_of(server.url, "rxfeed"))
    if reference.stats.gaps or reference.stats.reconnects:
        problems.append("the reference itself has missed something")
    for product in PRODUCTS:
        sent = [item.trade_id for item in trades if item.product_id == product]
        found = [item.trade_id for item in on_tape if item.product_id == product]
        if found != sent[-len(found) :] or len(sent) - len(found) > 200:
            problems.append(f"{product}: the tape has {len(found)} of {len(sent)} trades, or in another order")
    if doubled := [name for name, number in ids.items() if number > 1]:
        problems.append(f"on the tape twice: {doubled[:3]}")
    lines = output.read_text().splitlines() if consumes else ()
    mine = {(item.product_id, item.start.timestamp()): item for item in windows.items}
    written = {
        (product, float(start)): (Decimal(volume), complete == "True")
        for product, start, volume, complete in (line.split() for line in lines)
    }
    whole = [key for key, item in mine.items() if item.complete]
    wrong = [key for key in whole if mine[key].volume != expected.get(key, Decimal(0))]
    if wrong:
        problems.append(f"windows differ from those of the exchange: {wrong[:3]}")
    partial = [key for key, item in mine.items() if not item.complete]
    if len(partial) > 2 * len(PRODUCTS):  # the first and the last
        problems.append(f"{len(partial)} windows are not complete: {partial[:5]}")
    different = [
        key
        for key, (volume, complete) in written.items()
        if (volume, complete) != (mine[key].volume, mine[key].complete)
    ]
    if consumes and (different or len(written) < len(mine) - 2 * len(PRODUCTS)):
        problems.append(f"the killed consumer has {len(written)} of {len(mine)} windows, others are {different[:3]}")
    return {
        "problems": problems,
        "kills": len(plan),
        "trades": len(trades),
        "windows": len(whole),
        "messages": len(ledger.items),
        "rate": round(len(ledger.items) / seconds),
    }


def _windows(trades: list[Any]) -> dict[tuple[str, float], Decimal]:
    """A plain loop: the volume by product and second."""
    found: dict[tuple[str, float], Decimal] = defaultdict(Decimal)
    for item in trades:
        found[item.product_id, float(int(item.time.timestamp()))] += item.size
    return found


def workers(
    seconds: float, *, shards: int, count: int, products: int, rate: float, seed: int, folder: Path, every: float
) -> dict[str, Any]:
    """*count* workers on *shards*, one of which is killed *every* so many seconds."""
    random.seed(seed)
    problems: list[str] = []
    study = folder / "study.py"
    study.write_text(STUDY)
    names = [f"P{number}-USD" for number in range(products)]
    with NatsServer() as server, Publishing(server.url, names, rate) as publishing, ExitStack() as ends:
        until(lambda: publishing.sent > len(names))
        time.sleep(0.5)
        command = ["work", f"{study}:study", "--group", "g", "--shards", str(shards), "--nats", server.url]
        command += ["--warmup", "10s"]  # of windows of one second
        running = [ends.enter_context(rxfeed(*command)) for _ in range(count)]
        began, killed = time.monotonic(), 0
        while time.monotonic() < began + seconds:
            time.sleep(every)
            victim = random.choice(running)
            victim.kill()
            killed += 1
            time.sleep(random.uniform(0, 0.5))
            victim.start()
        publishing.stop()
        feed = NatsFeed(server.url, since="all", until="now")
        expected: dict[str, list[bytes]] = defaultdict(list)
        feed.pipe(window_volume(1)).subscribe(lambda item: expected[item.product_id].append(encoded(item)))
        feed.serve()
        enough = sum(len(each) - 2 for each in expected.values())
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and _count(server.url, "rxfeed_results") < enough:
            time.sleep(0.5)
        time.sleep(1)
        for each in running:
            each.process.terminate()
            each.process.wait()
        results = messages_of(server.url, "rxfeed_results")
    got: dict[str, list[bytes]] = defaultdict(list)
    for message in results:
        got[json.loads(message.data)["product_id"]].append(message.data)
    for product in names:
        mine, right = got[product], expected[product]
        if mine != right[: len(mine)]:
            at = next((n for n, (a, b) in enumerate(zip(mine, right, strict=False)) if a != b), len(right))
            problems.append(f"{product}: result {at} differs: {mine[at : at + 1]} {right[at : at + 1]}")
        elif len(mine) < len(right) - 2:
            problems.append(f"{product}: {len(mine)} of {len(right)} results")
    ids = Counter((message.headers or {})["Nats-Msg-Id"] for message in results)
    if max(ids.values(), default=0) != 1:
        problems.append("a result has come twice")
    return {"problems": problems, "kills": killed, "results": len(results), "trades": publishing.sent}


class Publishing(threading.Thread):
    """Publishes trades of *products*, *rate* a second, by the clock, until `stop` or the end of a block."""

    def __init__(self, url: str, products: list[str], rate: float) -> None:
        super().__init__(daemon=True)
        from reactivex.subject import Subject

        self.source: Any = Subject()
        self.sent = 0
        self._products = products
        self._rate = rate
        self._over = threading.Event()
        self._got = Collected(self.source.pipe(to_nats(url)))

    def run(self) -> None:
        began = time.monotonic()
        while not self._over.wait(0.005):
            while self.sent < (time.monotonic() - began) * self._rate:
                number, place = divmod(self.sent, len(self._products))
                at = time.time()
                product = self._products[place]
                self.source.on_next(
                    trade(product_id=product, trade_id=number + 1, time=_moment(at), size=number % 7 + 1)
                )
                self.sent += 1
        self.source.on_completed()

    def stop(self) -> None:
        self._end()
        self._got.wait_for_end()

    def __enter__(self) -> Publishing:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        self._over.set()
        self.join()


def _count(url: str, stream: str) -> int:
    """The messages of *stream*; 0 if there is no such stream yet."""

    async def read(client: Any, js: Any) -> int:
        return sum(each.state.messages for each in await js.streams_info() if each.config.name == stream)

    return with_client(url, read)


def _moment(seconds: float) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        print(kills(10, rate=2_600, seed=7, folder=Path(folder)))
        print(workers(40, shards=16, count=3, products=48, rate=2_000, seed=7, folder=Path(folder), every=3.0))


if __name__ == "__main__":
    main()
