"""The frames that every client gets: a venue's real recording if it exists, else those of the local exchange.

They are played in rounds, and each round continues the one before it: times, sequences and trade ids rise by the span
of a round. So windows close, and no message is a duplicate or shows a gap. The frames of Advanced Trade are numbered
anew, from 0, because those that are sent only once are left out.
"""

from __future__ import annotations

import gzip
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from rxfeed.sim import Exchange

EXCHANGE, ADVANCED = "coinbase_exchange", "coinbase_advanced"
_MADE_OF = [f"{base}-USD" for base in ("BTC", "ETH", "ADA", "DOGE", "DOT", "LINK", "LTC", "SOL", "UNI", "XRP")]
_DATA = Path(__file__).parents[2] / "shared" / "data"
RECORDING = _DATA / "coinbase-exchange-2021-04-17.jsonl.gz"
ADVANCED_RECORDING = _DATA / "coinbase-advanced-2026-08-09.jsonl.gz"
ADVANCED_CHANNELS = ("market_trades", "level2", "ticker", "heartbeats")
_ONCE = ("subscriptions", "snapshot", "last_match")
_PRODUCT = re.compile(rb'"product_id":\s*"([^"]*)"')
_MOVING = re.compile(
    rb'(?<=(?:time":"|tamp":"))(?P<time>[\d-]{10}[T ][\d:]{8})|(?<="sequence":)(?P<sequence>\d+)|'
    rb'(?<="sequence_num":)(?P<frame>\d+)|(?:(?<="trade_id":)|(?<="trade_id":"))(?P<trade_id>\d+)'
)
_NUMBERED = re.compile(rb'(?<="sequence_num":)\d+')
_TRADES = (b'"type":"match"', b'"channel":"market_trades"')


def load(count: int) -> tuple[str, list[bytes]]:
    """The source, and *count* payloads, without the messages that are sent only once, at the start."""
    source, payloads = one_round()
    return source, list(islice(chain.from_iterable(rounds(payloads)), count))


def one_round(venue: str = EXCHANGE) -> tuple[str, list[bytes]]:
    """The source, and the payloads of one round."""
    if venue == ADVANCED:
        source, payloads = _advanced_source()
        repeated = [payload for payload in payloads if not _is_once(json.loads(payload))]
        return source, [_NUMBERED.sub(b"%d" % number, payload) for number, payload in enumerate(repeated)]
    source, payloads = _source()
    return source, [payload for payload in payloads if json.loads(payload)["type"] not in _ONCE]


def _is_once(content: dict[str, Any]) -> bool:
    return content["channel"] in _ONCE or any(event.get("type") in _ONCE for event in content["events"])


def trades_in(payloads: Sequence[bytes]) -> int:
    """How many trades there are in *payloads*."""
    return sum(payload.count(b'"trade_id":') for payload in payloads if _is_trade(payload))


def snapshots() -> list[bytes]:
    """The books' snapshots, one a product, for clients that need one before an update."""
    return [payload for payload in _source()[1] if json.loads(payload)["type"] == "snapshot"]


def busiest(payloads: Sequence[bytes]) -> list[str]:
    """Their products, from the one with the most messages to the one with the fewest."""
    return [product.decode() for product, _ in Counter(map(_product, payloads)).most_common() if product]


def crossed(payloads: Sequence[bytes]) -> tuple[str, str]:
    """The product with the most price changes in *payloads*, and the middle of its prices."""
    prices: dict[str, set[Decimal]] = {}
    for content in map(json.loads, payloads):
        if "price" in content:
            prices.setdefault(content["product_id"], set()).add(Decimal(content["price"]))
    product = max(prices, key=lambda each: len(prices[each]))
    low, high = min(prices[product]), max(prices[product])
    return product, str((low + high) / 2)


def rounds(payloads: Sequence[bytes]) -> Iterator[list[bytes]]:
    """*payloads*, then the same again and again, each time later and with higher numbers."""
    spans, seconds = _spans(payloads)
    templates = [_template(payload, spans) for payload in payloads]
    again = 0
    while True:
        clock: dict[bytes, bytes] = {}
        made: list[bytes] = []
        for pattern, moving in templates:
            values: list[bytes | int] = []
            for value, span in moving:
                if isinstance(value, int):
                    values.append(value + again * span)
                    continue
                moved = clock.get(value)
                if moved is None:
                    moment = datetime.fromisoformat(value.decode()) + timedelta(seconds=again * seconds)
                    moved = clock[value] = moment.isoformat(value.decode()[10]).encode()
                values.append(moved)
            made.append(pattern % tuple(values))
        yield made
        again += 1


def _template(payload: bytes, spans: Mapping[tuple[bytes, str], int]) -> tuple[bytes, list[tuple[bytes | int, int]]]:
    """A pattern for `%`, and its arguments: a time, or a number and its increase for each round."""
    moving: list[tuple[bytes | int, int]] = []
    product, pattern, position = _product(payload), b"", 0
    for match in _MOVING.finditer(payload):
        pattern += payload[position : match.start()].replace(b"%", b"%%")
        position, kind = match.end(), str(match.lastgroup)
        pattern += b"%b" if kind == "time" else b"%d"
        moving.append((match[0], 0) if kind == "time" else (int(match[0]), spans[_counted(product, kind), kind]))
    return pattern + payload[position:].replace(b"%", b"%%"), moving


def _spans(payloads: Sequence[bytes]) -> tuple[dict[tuple[bytes, str], int], int]:
    """The span of a round's numbers by product and kind, and of its seconds."""
    numbers: dict[tuple[bytes, str], list[int]] = {}
    times: list[datetime] = []
    traded = {_product(payload) for payload in payloads if _is_trade(payload)}
    for payload in payloads:
        product = _product(payload)
        for match in _MOVING.finditer(payload):
            kind = str(match.lastgroup)
            if kind == "time":
                times.append(datetime.fromisoformat(match[0].decode()))
            # The first ticker names the trade before the round's first.
            elif kind != "trade_id" or _is_trade(payload) or product not in traded:
                numbers.setdefault((_counted(product, kind), kind), []).append(int(match[0]))
    seconds = math.ceil((max(times) - min(times)).total_seconds()) + 1 if times else 0
    return {key: max(each) - min(each) + 1 for key, each in numbers.items()}, seconds


def _counted(product: bytes, kind: str) -> bytes:
    """What the numbers of *kind* count: messages of the product, or all frames of the connection."""
    return b"" if kind == "frame" else product


def _product(payload: bytes) -> bytes:
    found = _PRODUCT.search(payload)
    return found[1] if found else b""


def _is_trade(payload: bytes) -> bool:
    return any(each in payload for each in _TRADES)


def _source() -> tuple[str, list[bytes]]:
    return ("the recording of 2021-04-17", _recorded(RECORDING)) if RECORDING.exists() else ("sim.Exchange", _made())


def _advanced_source() -> tuple[str, list[bytes]]:
    if ADVANCED_RECORDING.exists():
        return "the recording of 2026-08-09", _recorded(ADVANCED_RECORDING)
    return "sim.Exchange", _made_advanced()


def advanced_snapshots() -> list[bytes]:
    """The frames that begin the books, one a product."""
    return [
        payload
        for payload in _advanced_source()[1]
        if payload.startswith(b'{"channel":"l2_data"') and _is_once(json.loads(payload))
    ]


def advanced_snapshot(levels: int) -> bytes:
    """A frame that begins a book of so many levels, in the form of the venue."""
    return _advanced_book("snapshot", 0, levels)


def advanced_update(number: int, levels: int = 4) -> bytes:
    """The frame of this *number* on its connection, which changes so many levels of a book."""
    return _advanced_book("update", number, levels)


def _advanced_book(kind: str, number: int, levels: int) -> bytes:
    time = "2026-08-09T21:05:48.170326Z"
    updates = [
        {
            "side": side,
            "event_time": time,
            "price_level": str(Decimal(6_508_366 + (-rank if side == "bid" else rank + 1)) / 100),
            "new_quantity": str(Decimal(rank + 1) / 10**8),
        }
        for side in ("bid", "offer")
        for rank in range(levels // 2)
    ]
    event = {"type": kind, "product_id": "BTC-USD", "updates": updates}
    frame = {"channel": "l2_data", "timestamp": time, "sequence_num": number, "events": [event]}
    return json.dumps(frame, separators=(",", ":")).encode()


def _recorded(path: Path) -> list[bytes]:
    with gzip.open(path, "rt") as lines:
        return [record["data"].encode() for record in map(json.loads, lines) if record["dir"] == "recv"]


def _made() -> list[bytes]:
    channels = ["level2_batch", "ticker", "matches"]
    with Exchange(_MADE_OF, seed=1, auto=False) as exchange, connect(exchange.url, max_size=None) as client:
        client.send(json.dumps({"type": "subscribe", "product_ids": _MADE_OF, "channels": channels}))
        exchange.wait_for_clients()
        exchange.step(5000)
        return [str(client.recv()).encode() for _ in range(exchange.sent.frames)]


def _made_advanced() -> list[bytes]:
    with (
        Exchange(_MADE_OF, venue=ADVANCED, seed=1, auto=False) as exchange,
        connect(exchange.url, max_size=None) as client,
    ):
        for channel in ADVANCED_CHANNELS:
            client.send(json.dumps({"type": "subscribe", "product_ids": _MADE_OF, "channel": channel}))
        received = [str(client.recv()).encode()]
        while sum(b'"channel":"subscriptions"' in each for each in received) < len(ADVANCED_CHANNELS):
            received.append(str(client.recv()).encode())
        exchange.advance(30)
        return received + [str(client.recv()).encode() for _ in range(exchange.sent.frames - len(received))]
