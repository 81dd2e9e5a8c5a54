"""The frames of Advanced Trade: their shapes, and that they agree with the market."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from rxfeed.sim import Exchange, faults
from tests.sim.coinbase_advanced.conftest import BTC, Client

RECORDING = Path(__file__).parents[4] / "shared" / "data" / "coinbase-advanced-2026-08-09.jsonl.gz"
Make = Callable[..., tuple[Exchange, Client]]
PUBLIC = ("market_trades", "candles", "ticker", "level2", "heartbeats", "status", "ticker_batch")


def moments(frames: list[Any]) -> list[str]:
    return [frame["timestamp"] for frame in frames if "timestamp" in frame]


def test_sequence_num_counts_every_frame_of_a_connection(make: Make) -> None:
    exchange, client = make()
    frames = [frame for channel in PUBLIC for frame in client.subscribe(channel, BTC, "ETH-USD")]
    other = Client(exchange)
    first = other.subscribe("ticker", "ETH-USD")
    exchange.advance(6)
    while frames[-1]["sequence_num"] < exchange.sent_to(1).frames - 1:
        frames.append(client.next())
    assert [frame["sequence_num"] for frame in frames] == list(range(len(frames)))
    assert [frame["sequence_num"] for frame in first] == [0, 1]
    assert {frame["channel"] for frame in frames} == {
        *("market_trades", "candles", "ticker", "l2_data", "heartbeats", "status", "ticker_batch", "subscriptions")
    }
    other.close()


def test_errors_have_no_number(make: Make) -> None:
    _, client = make()
    client.subscribe("ticker")
    assert client.ask("nonsense") == [{"type": "error", "message": "subscribe or unsubscribe required"}]
    assert client.subscribe("ticker")[-1]["sequence_num"] == 2


def test_timestamps_rise_and_have_up_to_nine_digits(make: Make) -> None:
    exchange, client = make()
    client.subscribe("level2", BTC, "ETH-USD")
    exchange.advance(5)
    client.all()
    times = moments([json.loads(text) for text in client.texts])
    digits = {len(time.partition(".")[2]) - 1 for time in times}
    assert max(digits) == 9
    assert all(re.fullmatch(r"2026-01-02T03:04:\d\d(\.\d{0,8}[1-9])?Z", time) for time in times)
    padded = [time[:-1].replace("Z", "").ljust(30, "0") for time in times]
    assert padded == sorted(padded)


def test_subscriptions_are_cumulative_and_follow_the_snapshots(make: Make) -> None:
    _, client = make()
    assert [frame["channel"] for frame in client.subscribe("market_trades", BTC, "ETH-USD")] == [
        *("market_trades", "market_trades", "subscriptions")
    ]
    client.subscribe("heartbeats")
    client.subscribe("ticker_batch", "ETH-USD")
    frames = client.subscribe("level2")
    assert [frame["channel"] for frame in frames] == ["l2_data", "subscriptions"]
    event = frames[-1]["events"][0]
    assert event == {
        "subscriptions": {
            "heartbeats": ["heartbeats"],
            "level2": [BTC],
            "market_trades": [BTC, "ETH-USD"],
            "ticker_1000": ["ETH-USD"],
        }
    }
    assert list(event["subscriptions"]) == sorted(event["subscriptions"])


def books(frames: list[Any]) -> Iterator[tuple[dict[str, dict[Decimal, Decimal]], int]]:
    """The book after each frame, and the number of deletes of unknown prices until then."""
    book: dict[str, dict[Decimal, Decimal]] = {"bid": {}, "offer": {}}
    unknown = 0
    for frame in frames:
        event = frame["events"][0]
        if event["type"] == "snapshot":
            book = {"bid": {}, "offer": {}}
        for update in event["updates"]:
            price, size = Decimal(update["price_level"]), Decimal(update["new_quantity"])
            side = book[update["side"]]
            unknown += not size and price not in side
            side[price] = size
            if not size:
                del side[price]
        yield book, unknown


def test_book_equals_the_engine_and_deletes_of_unknown_prices_occur(make: Make) -> None:
    exchange, client = make(BTC, rate=400)
    snapshot = client.subscribe("level2")[0]
    exchange.advance(20)
    frames = [snapshot, *client.all()]
    book, unknown = list(books(frames))[-1]
    truth = exchange.book(BTC)
    assert sorted(book["bid"].items(), reverse=True) == truth["bids"]
    assert sorted(book["offer"].items()) == truth["asks"]
    assert unknown > 10


def test_l2_updates_are_best_first_with_one_time(make: Make) -> None:
    exchange, client = make(BTC)
    client.subscribe("level2")
    exchange.advance(5)
    for frame in client.all():
        (event,) = frame["events"]
        updates = event["updates"]
        assert len({update["event_time"] for update in updates}) == 1
        sides = [update["side"] for update in updates]
        assert sides == sorted(sides)
        bids, offers = (
            [Decimal(update["price_level"]) for update in updates if update["side"] == side]
            for side in ("bid", "offer")
        )
        assert bids == sorted(bids, reverse=True)
        assert offers == sorted(offers)


def test_trades_come_newest_first_and_each_once(make: Make) -> None:
    exchange, client = make(BTC, rate=300)
    exchange.advance(0.33)  # so that a batch is half full
    snapshot = client.subscribe("market_trades")[0]
    exchange.advance(9.67)  # to the end of a batch
    frames = client.all()
    batches = [[trade["trade_id"] for trade in frame["events"][0]["trades"]] for frame in [snapshot, *frames]]
    assert len(batches[0]) == 100
    assert max(len(batch) for batch in batches[1:]) > 2
    ids = [int(trade_id) for batch in batches for trade_id in reversed(batch)]
    assert ids == list(range(exchange.last_trade_id(BTC) - len(ids) + 1, exchange.last_trade_id(BTC) + 1))
    assert {frame["events"][0]["type"] for frame in frames} == {"update"}


def test_repeated_level2_subscribe_gives_no_snapshot(make: Make) -> None:
    _, client = make()
    client.subscribe("level2")
    assert [frame["channel"] for frame in client.subscribe("level2")] == ["subscriptions"]
    assert [frame["channel"] for frame in client.unsubscribe("level2")] == ["subscriptions"]
    assert [frame["channel"] for frame in client.subscribe("level2")] == ["l2_data", "subscriptions"]


def test_usdc_products_come_under_their_usd_name(make: Make) -> None:
    exchange, client = make("BTC-USDC", "EURC-USDC")
    frames = client.subscribe("level2", "BTC-USDC", "EURC-USDC")
    assert [frame["events"][0].get("product_id") for frame in frames[:-1]] == [BTC, "EURC-USDC"]
    assert frames[-1]["events"][0]["subscriptions"] == {"level2": [BTC, "EURC-USDC"]}
    assert client.subscribe("level2", BTC)[0]["channel"] == "subscriptions"
    exchange.advance(1)
    assert {frame["events"][0]["product_id"] for frame in client.all()} == {BTC, "EURC-USDC"}


def test_thirty_level2_products_are_the_most(make: Make) -> None:
    names = [f"C{number}-USD" for number in range(32)]
    exchange, client = make(*names)
    assert len(client.subscribe("level2", *names[:29])) == 30
    assert client.subscribe("level2", names[29])[-1]["channel"] == "subscriptions"
    refusal = {"type": "error", "message": "too many L2 streams requested in a single session"}
    assert client.subscribe("level2", names[30]) == [refusal]
    assert client.subscribe("level2", names[0])[-1]["channel"] == "subscriptions"
    exchange.advance(3)
    assert {frame["events"][0]["product_id"] for frame in client.all()} == set(names[:30])
    client.unsubscribe("level2", names[0])
    assert [frame["channel"] for frame in client.subscribe("level2", names[31])] == ["l2_data", "subscriptions"]
    other = Client(exchange)
    assert other.subscribe("level2", *names) == [refusal]
    assert other.subscribe("ticker", *names)[-1]["channel"] == "subscriptions"
    other.close()


def test_heartbeats_count_the_uptime_through_a_clock_jump(make: Make) -> None:
    exchange, client = make()
    client.subscribe("heartbeats")
    exchange.advance(3)
    exchange.inject(faults.ClockJump(-3600))
    exchange.advance(2)
    events = [frame["events"][0] for frame in client.all()]
    counters = [event["heartbeat_counter"] for event in events]
    assert counters == list(range(counters[0], counters[0] + 5))
    pattern = r"(2026-01-02 0[23]:\d\d:\d\d(\.\d{1,9})?) \+0000 UTC m=\+(\d+)\.\d{9}"
    matches = [re.fullmatch(pattern, event["current_time"]) for event in events]
    assert all(matches)
    assert [int(match[3]) for match in matches if match] == counters
    hours = [match[1][11:13] for match in matches if match]
    assert hours == ["03"] * 3 + ["02"] * 2


def test_candles_repeat_their_start_with_newer_values(make: Make) -> None:
    exchange, client = make(BTC, rate=60)
    snapshot = client.subscribe("candles")[0]["events"][0]
    starts = [int(candle["start"]) for candle in snapshot["candles"]]
    assert len(starts) == 100
    assert all(later - earlier >= 300 and later % 300 == 0 for earlier, later in pairwise(starts))
    exchange.advance(330)
    last: dict[str, Any] = {snapshot["candles"][-1]["start"]: snapshot["candles"][-1]}
    seen = []
    for frame in client.all():
        for candle in frame["events"][0]["candles"]:
            previous = last.get(candle["start"])
            if previous is not None:
                assert candle["open"] == previous["open"]
                assert Decimal(candle["volume"]) >= Decimal(previous["volume"])
            last[candle["start"]] = candle
            seen.append(candle["start"])
    assert len(seen) > 2 * len(set(seen))
    assert len(set(seen)) == 2


def test_ticker_batch_has_no_best_prices_and_comes_every_five_seconds(make: Make) -> None:
    exchange, client = make(BTC)
    client.subscribe("ticker_batch")
    exchange.advance(20)
    frames = client.all()
    assert 3 <= len(frames) <= 4
    assert all("best_bid" not in ticker for frame in frames for ticker in frame["events"][0]["tickers"])


def test_ticker_shows_the_last_trade_and_the_best_prices(make: Make) -> None:
    exchange, client = make(BTC)
    client.subscribe("ticker", BTC)
    client.subscribe("market_trades", BTC)
    exchange.advance(10)
    frames = client.all()
    last_trade = [f for f in frames if f["channel"] == "market_trades"][-1]["events"][0]["trades"][0]
    tickers = [f["events"][0]["tickers"][0] for f in frames if f["channel"] == "ticker"]
    assert tickers[-1]["price"] == last_trade["price"]
    assert all(Decimal(ticker["best_bid"]) < Decimal(ticker["best_ask"]) for ticker in tickers)


def test_status_takes_no_products(make: Make) -> None:
    _, client = make()
    frames = client.ask({"type": "subscribe", "channel": "status"})
    assert [product["id"] for product in frames[0]["events"][0]["products"]] == [BTC, "ETH-USD"]
    assert frames[0]["events"][0]["products"][0]["display_name"] == "BTC/USD"


def test_equal_calls_give_equal_bytes(make: Make) -> None:
    def run() -> list[str]:
        exchange, client = make()
        for channel in PUBLIC:
            client.subscribe(channel, BTC, "ETH-USD")
        exchange.step(300)
        client.all()
        exchange.advance(6.5)
        client.all()
        return client.texts

    first = run()
    assert len(first) > 200
    assert first == run()


def shape(value: Any) -> Any:
    """The keys in their order, and the types; of a list, what is in it."""
    if isinstance(value, dict):
        return tuple((name, shape(item)) for name, item in value.items() if name != "subscriptions")
    if isinstance(value, list):
        return frozenset(shape(item) for item in value)
    return type(value).__name__


@pytest.mark.skipif(not RECORDING.exists(), reason=f"no recording {RECORDING}")
def test_frames_have_the_shape_of_a_real_recording(make: Make) -> None:
    exchange, client = make()
    for channel in ("market_trades", "candles", "ticker", "level2", "heartbeats"):
        client.subscribe(channel, BTC, "ETH-USD")
    exchange.advance(11)
    client.all()
    with gzip.open(RECORDING, "rt") as lines:
        frames = [line for line in map(json.loads, lines) if line["dir"] == "recv"]
    real = {json.loads(frame["data"])["channel"]: set() for frame in frames}
    made = {channel: set() for channel in real}
    for found, texts in ((real, [frame["data"] for frame in frames]), (made, client.texts)):
        for text in texts:
            message = json.loads(text)
            found[message["channel"]].add(shape(message))
            assert json.dumps(message, separators=(",", ":")) == text
    assert made == real


def test_event_times_are_in_the_virtual_time(make: Make) -> None:
    exchange, client = make(BTC)
    client.subscribe("market_trades")
    exchange.advance(5)
    times = [datetime.fromisoformat(trade["time"]) for f in client.all() for trade in f["events"][0]["trades"]]
    assert times
    assert max(times) <= exchange.time
