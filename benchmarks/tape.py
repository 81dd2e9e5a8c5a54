"""`python -m benchmarks.tape`: messages a second onto a tape and from it, beside bare nats-py, and the added latency.

`publish`: messages with frames through `to_nats`, until all are acknowledged. Bare: `publish_async` of nats-py with the
same payloads and an id each, in a loop, with as many in flight. `consume`: the whole tape through a `NatsFeed` to a
subscriber. Bare: `fetch` of a pull subscription without acknowledgements. Medians of alternating runs, on one private
server. Latency: from the receipt at the socket of a `Feed` in one process, which publishes, to a subscriber of a
`NatsFeed` in another one; a private exchange sends some 1,000 and 5,000 messages a second. The rate that was reached is
shown with it, and the load of the machine with all.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import nats
from nats.js.api import AckPolicy, ConsumerConfig

from rxfeed import Message
from rxfeed.market import Origin, stamp
from rxfeed.sim import Exchange
from rxfeed.sim.nats_server import NatsServer
from rxfeed.tape import NatsFeed, to_nats
from rxfeed.testing import trade
from rxfeed.venues import message_id

IN_FLIGHT = 4_000
LEAST = 0.7
PRODUCTS = ["BTC-USD", "ETH-USD"]
CHANNELS = ["matches", "ticker", "heartbeat"]
CONSUMER = """
import sys, time
from rxfeed.tape import NatsFeed
found = []
feed = NatsFeed(sys.argv[1], stream=sys.argv[2])
feed.subscribe(lambda message: found.append(time.time_ns() - message.received_ns))
feed.connect()
while feed._reader.place.last is None or feed.problem:
    time.sleep(0.01)
print("ready", flush=True)
sys.stdin.readline()
feed.close()
found.sort()
print(len(found), found[len(found) // 2] / 1e6, found[len(found) * 99 // 100] / 1e6)
"""


def frames(count: int) -> list[Message]:
    """Trades of ten products, each with its frame; all are different, since the server refuses what it has."""
    made = (trade(trade_id=number + 1, product_id=f"P{number % 10}-USD") for number in range(count))
    now = time.time_ns()
    return [stamp(each, Origin(each.raw, now, 0)) for each in made]


def publish(url: str, stream: str, messages: list[Message]) -> float:
    from reactivex.subject import Subject

    source: Any = Subject()
    sink = to_nats(url, stream=stream, in_flight=IN_FLIGHT, queue_size=len(messages) + 1)
    source.pipe(sink).subscribe()
    while not sink.stats.published:
        time.sleep(0.01)
    began = time.perf_counter()
    for message in messages:
        source.on_next(message)
    source.on_completed()
    while sink.stats.queued:
        time.sleep(0.002)
    return len(messages) / (time.perf_counter() - began)


async def bare_publish(url: str, stream: str, messages: list[Message]) -> float:
    client = await nats.connect(url)
    js = client.jetstream(publish_async_max_pending=IN_FLIGHT)
    await js.add_stream(name=stream, subjects=[f"{stream}.>"])
    made = [(f"{stream}.{each.product_id}", each.raw, {"Nats-Msg-Id": message_id(each)}) for each in messages]
    began = time.perf_counter()
    for place, (subject, payload, headers) in enumerate(made):
        await js.publish_async(subject, payload, headers=headers)
        if not place % 100:
            await asyncio.sleep(0)
    await js.publish_async_completed()
    seconds = time.perf_counter() - began
    await client.close()
    return len(messages) / seconds


def consume(url: str, stream: str, count: int) -> float:
    feed = NatsFeed(url, stream=stream, since="all", until="now")
    got = [0]

    def one(message: object) -> None:
        got[0] += 1

    feed.subscribe(one)
    began = time.perf_counter()
    feed.serve()
    seconds = time.perf_counter() - began
    assert got[0] == count, (got[0], count)
    return count / seconds


async def bare_consume(url: str, stream: str, count: int) -> float:
    client = await nats.connect(url)
    js = client.jetstream()
    began = time.perf_counter()
    config = ConsumerConfig(ack_policy=AckPolicy.NONE)
    subscription = await js.pull_subscribe(f"{stream}.>", stream=stream, config=config)
    got = 0
    while got < count:
        got += len(await subscription.fetch(min(1_000, count - got), timeout=10))
    seconds = time.perf_counter() - began
    await client.close()
    return count / seconds


def latency(url: str, stream: str, rate: int, seconds: float) -> tuple[float, float, float]:
    """Messages a second, and the p50 and p99 in milliseconds: a feed in one process, a consumer in another one."""
    # Of what it makes, some fifth is on channels without a subscription.
    with Exchange(PRODUCTS, seed=1, rate=1.25 * rate, auto=False) as exchange:
        command = ["-m", "rxfeed.cli", "publish", *PRODUCTS, "--url", exchange.url, "--nats", url, "--stream", stream]
        command += [part for channel in CHANNELS for part in ("--channel", channel)]
        publisher = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        consumer = subprocess.Popen(
            [sys.executable, "-c", CONSUMER, url, stream], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            exchange.wait_for_clients(1, timeout=60)
            assert consumer.stdout is not None
            consumer.stdout.readline()
            began = time.perf_counter()
            exchange.resume()
            time.sleep(seconds)
            exchange.pause()
            took = time.perf_counter() - began
            time.sleep(1.0)
            text, _ = consumer.communicate("\n", timeout=60)
        finally:
            for process in (publisher, consumer):
                process.terminate()
                process.wait()
    count, middle, high = text.split()
    return int(count) / took, float(middle), float(high)


def measure(count: int, runs: int, seconds: float) -> dict[str, Any]:
    messages = frames(count)
    found: dict[str, list[float]] = {name: [] for name in ("publish", "bare_publish", "consume", "bare_consume")}
    with NatsServer() as server:
        for run in range(runs):
            turns: list[tuple[str, Callable[[], float]]] = [
                ("bare_publish", lambda run=run: asyncio.run(bare_publish(server.url, f"bare{run}", messages))),
                ("publish", lambda run=run: publish(server.url, f"own{run}", messages)),
                ("bare_consume", lambda run=run: asyncio.run(bare_consume(server.url, f"own{run}", count))),
                ("consume", lambda run=run: consume(server.url, f"own{run}", count)),
            ]
            for name, turn in turns if run % 2 else [turns[1], turns[0], turns[3], turns[2]]:
                found[name].append(turn())
        latencies = {rate: latency(server.url, f"latency{rate}", rate, seconds) for rate in (1_000, 5_000)}
    medians = {name: statistics.median(values) for name, values in found.items()}
    return {
        **medians,
        "publish_ratio": medians["publish"] / medians["bare_publish"],
        "consume_ratio": medians["consume"] / medians["bare_consume"],
        "load": os.getloadavg()[0],
        "latency": {str(rate): each for rate, each in latencies.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each rate of the latency")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = measure(options.messages, options.runs, options.seconds)
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for name in ("publish", "consume"):
        ratio = result[f"{name}_ratio"]
        verdict = "met" if ratio >= LEAST else "MISSED"
        print(
            f"{name}: {result[name]:,.0f} messages/s, bare nats-py {result[f'bare_{name}']:,.0f}: "
            f"{ratio:.2f} x, at least {LEAST} x: {verdict}"
        )
    for rate, (reached, middle, high) in result["latency"].items():
        print(f"latency at {int(rate):,} messages/s: p50 {middle:.2f} ms, p99 {high:.2f} ms ({reached:,.0f} reached)")
    print(f"load {result['load']:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
