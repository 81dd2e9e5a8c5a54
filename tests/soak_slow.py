"""The soak run with a slow subscriber: 200 messages a second, and 20 ms for each of them.

The server sends four times as fast as the subscriber takes. At the end the subscriber becomes quick, and everything
that the server sent has to come: no trade is missing, and the connection was never lost.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from rxfeed import Feed, Match, Message, matches
from rxfeed.feed import Connected, Disconnected, FeedStatus, Gap, HeartbeatMissing, Lagging
from rxfeed.sim import Exchange

PRODUCTS = ["BTC-USD", "ETH-USD"]
RATE = 200.0
TAKES = 0.02
_SHOWN_EVERY = 5.0
_SEGMENT = 16_384
_DRAINED_WITHIN = 120.0


class SlowSubscriber:
    """Takes `TAKES` seconds for each message until it is *quick*, and records the trades."""

    def __init__(self, first: dict[str, int]) -> None:
        self.quick = False
        self.reached = dict(first)
        self.wrong: list[str] = []

    def message(self, message: Message) -> None:
        if not self.quick:
            time.sleep(TAKES)

    def trade(self, trade: Match) -> None:
        product, before = trade.product_id, self.reached[trade.product_id]
        if trade.trade_id != before + 1:
            self.wrong.append(f"{product}: trade {trade.trade_id} after {before}")
        self.reached[product] = trade.trade_id


def slow_subscriber(
    seconds: float, show: Callable[[str], object] = lambda line: None, pings: int = 0, **settings: Any
) -> dict[str, Any]:
    """The ledger of a run with a Feed of *settings*; `problems` in it is empty where nothing was lost.

    It takes *seconds*, and longer until the feed has sent *pings*, at most ten times as long.
    """
    status: list[FeedStatus] = []
    with Exchange(PRODUCTS, seed=1, rate=2 * RATE, auto=False, backlog=10**9) as exchange:
        _limit_segments(exchange)
        exchange.step(500)
        first = {product: exchange.last_trade_id(product) for product in PRODUCTS}
        slow = SlowSubscriber(first)
        feed = Feed(PRODUCTS, ["matches", "heartbeat"], url=exchange.url, **settings)
        feed.status.subscribe(status.append)
        feed.subscribe(slow.message)
        feed.pipe(matches()).subscribe(slow.trade)
        with feed:
            exchange.wait_for_clients()

            def goes_on(past: float) -> bool:
                return past < seconds or (feed.stats.pings < pings and past < 10 * seconds)

            made = _trade(exchange, first, goes_on, lambda: show(f"{feed.stats}  lag {feed.stats.lag:.1f} s"))
            waiting = made - sum(slow.reached[product] - first[product] for product in PRODUCTS)
            slow.quick = True
            _drain(exchange, slow, status)
            lag = feed.stats.max_lag
    problems = list(slow.wrong[:5])
    for product in PRODUCTS:
        if slow.reached[product] != exchange.last_trade_id(product):
            problems.append(f"{product}: {slow.reached[product]} of {exchange.last_trade_id(product)}")
    for kind in (Disconnected, Gap, HeartbeatMissing):
        problems += [str(each) for each in status if isinstance(each, kind)][:5]
    if sum(isinstance(each, Connected) for each in status) != 1 or exchange.accepted != 1:
        problems.append("there was more than one connection")
    if not any(isinstance(each, Lagging) for each in status):
        problems.append("Lagging was never reported")
    return {
        "sent": exchange.sent.frames,
        "trades": made,
        "waiting": waiting,
        "received": feed.stats.messages,
        "pings": feed.stats.pings,
        "pongs": feed.stats.pongs,
        "max lag": round(lag, 1),
        "problems": problems,
    }


def _limit_segments(exchange: Exchange) -> None:
    """Let a segment be smaller than a third of a receive buffer, as it is on a network.

    On loopback it may be larger than half. Then the kernel sends nothing for seconds to a reader that was slow and has
    become quick: what is free of the window is too little for a segment, and too much for the reader to report it.
    """
    if hasattr(socket, "TCP_MAXSEG"):
        (listening,) = exchange._server._servers[-1].sockets
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT)


def _trade(
    exchange: Exchange, first: dict[str, int], goes_on: Callable[[float], bool], show: Callable[[], object]
) -> int:
    """Let the market make `RATE` trades a second while *goes_on* by its seconds; returns how many it made."""
    began = shown = time.monotonic()
    made = 0
    while goes_on(past := time.monotonic() - began):
        while made < past * RATE:
            exchange.step(10)
            made = sum(exchange.last_trade_id(product) - first[product] for product in PRODUCTS)
        if time.monotonic() - shown >= _SHOWN_EVERY:
            shown = time.monotonic()
            show()
        time.sleep(0.02)
    return made


def _drain(exchange: Exchange, slow: SlowSubscriber, status: list[FeedStatus]) -> None:
    """Wait until all trades have come; not for those of a connection that was lost."""
    deadline = time.monotonic() + _DRAINED_WITHIN
    while any(slow.reached[product] != exchange.last_trade_id(product) for product in PRODUCTS):
        if time.monotonic() > deadline or any(isinstance(each, Disconnected) for each in status):
            return
        time.sleep(0.05)
