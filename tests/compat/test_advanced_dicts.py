"""The classic clients on keyless Advanced Trade: the same dicts and calls as on Coinbase Exchange."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

import rxfeed.compat as cbpro
from rxfeed import ConfigError
from rxfeed.errors import ServerClosed
from rxfeed.sim import Exchange
from tests.compat.advanced import (
    ALL,
    BTC,
    VENUE,
    Dicts,
    built,
    levels,
    market,
    of,
    subscribed,
    wait_until,
)
from tests.compat.recorder import Recorder, finish
from tests.compat.test_keyless import BEFORE_NOON
from tests.support.leaks import nothing_left_behind
from tests.venues.coinbase_advanced.wire import real_frames


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with market() as exchange:
        exchange.advance(0.05)
        yield exchange


def seen(venue: str) -> Recorder:
    """What a script receives of one market over *venue*."""
    with market(venue) as exchange, nothing_left_behind():
        exchange.advance(0.05)
        client = Recorder(url=exchange.url, products=[BTC], channels=ALL, venue=venue)
        client.start()
        exchange.wait_for_clients()
        subscribed(client)
        exchange.advance(12)
        last = exchange.last_trade_id(BTC)
        wait_until(lambda: any(each["trade_id"] == last for each in of(client, "match")))
        client.close()
    assert client.error is None
    return client


def values(message: dict[str, Any], *names: str) -> tuple[Any, ...]:
    """The values of *names*; numbers by value, since Advanced Trade leaves out zeros at the end of a price."""
    return tuple(Decimal(message[name]) if name in ("price", "size", "last_size") else message[name] for name in names)


def changes(updates: Dicts) -> list[tuple[str, set[tuple[str, Decimal, Decimal]]]]:
    return [(u["time"], {(side, Decimal(p), Decimal(s)) for side, p, s in u["changes"]}) for u in updates]


@pytest.fixture(scope="module")
def both() -> tuple[Recorder, Recorder]:
    return seen("coinbase_exchange"), seen(VENUE)


def test_matches_are_equal_on_both_venues(both: tuple[Recorder, Recorder]) -> None:
    names = ("trade_id", "side", "size", "price", "product_id", "time")
    exchange, advanced = ([values(each, *names) for each in of(client, "match")] for client in both)
    assert len(advanced) > 50
    assert advanced == exchange
    first, second = (of(client, "last_match")[0] for client in both)
    assert values(second, *names) == values(first, *names)


def test_tickers_of_trades_are_equal_on_both_venues(both: tuple[Recorder, Recorder]) -> None:
    names = ("trade_id", "side", "last_size", "price", "product_id", "time")
    exchange, advanced = ([values(each, *names) for each in of(client, "ticker")] for client in both)
    assert advanced == exchange
    first, second = (of(client, "ticker")[0] for client in both)
    for name in ("open_24h", "low_24h", "high_24h", "volume_24h", "best_bid", "best_ask", "best_bid_size"):
        assert Decimal(second[name]) == Decimal(first[name]), name


def test_levels_are_equal_on_both_venues(both: tuple[Recorder, Recorder]) -> None:
    first, second = (of(client, "snapshot")[0] for client in both)
    assert second["product_id"] == BTC
    for side in ("bids", "asks"):
        assert levels(second[side]) == levels(first[side])
    exchange, advanced = (changes(of(client, "l2update")) for client in both)
    assert len(advanced) > 100
    assert advanced == exchange


def test_heartbeats_name_the_last_trade_each_second(both: tuple[Recorder, Recorder]) -> None:
    times = [[datetime.fromisoformat(each["time"]) for each in of(client, "heartbeat")] for client in both]
    assert {b - a for a, b in zip(times[1], times[1][1:], strict=False)} == {timedelta(seconds=1)}
    assert len(times[1]) >= 11
    assert all(time.microsecond == 0 for time in times[1])
    known = 0
    for each in both[1].of("message"):
        if each["type"] == "match":
            known = each["trade_id"]
        elif each["type"] == "heartbeat":
            assert known in (0, each["last_trade_id"])
            assert each["sequence"] == each["last_trade_id"] > 0


def test_every_type_has_the_fields_of_the_exchange(both: tuple[Recorder, Recorder]) -> None:
    shapes = [
        {each["type"]: {name: type(value) for name, value in each.items()} for each in client.of("message")}
        for client in both
    ]
    assert set(shapes[1]) == {"subscriptions", "snapshot", "l2update", "last_match", "match", "ticker", "heartbeat"}
    assert shapes[1] == shapes[0]
    for client in both:
        assert {entry["name"] for entry in of(client, "subscriptions")[0]["channels"]} == {
            "ticker",
            "matches",
            "heartbeat",
            "level2_50",
        }


def test_texts_have_the_forms_that_old_scripts_parse(both: tuple[Recorder, Recorder]) -> None:
    for each in of(both[1], "match", "ticker", "l2update", "snapshot", "heartbeat"):
        datetime.strptime(each["time"], "%Y-%m-%dT%H:%M:%S.%fZ").astimezone()
    assert all(len(each["size"].partition(".")[2]) == 8 for each in of(both[1], "match"))
    ids = [each["maker_order_id"] for each in of(both[1], "match")] + [
        each["taker_order_id"] for each in of(both[1], "match")
    ]
    assert len(set(ids)) == len(ids)
    assert {len(each) for each in ids} == {36}


def test_real_recording_makes_dicts_of_all_types() -> None:
    """Coinbase's own frames; the side of a match is that of the book in which its price lies."""
    with Exchange.serving(real_frames(), venue=VENUE, then="close") as exchange:
        client = Recorder(url=exchange.url, products=[BTC, "ETH-USD"], channels=ALL, venue=VENUE)
        client.start()
        finish(client)
    assert isinstance(client.error, ServerClosed)
    kinds = {each["type"] for each in client.of("message")}
    assert kinds >= {"snapshot", "l2update", "last_match", "match", "ticker", "heartbeat", "subscriptions"}
    assert len(of(client, "snapshot")) == len(of(client, "last_match")) == 2
    ids = [each["trade_id"] for each in of(client, "match")]
    assert [each["trade_id"] for each in of(client, "ticker") if each["trade_id"] in set(ids)] == ids
    nearer = 0
    for each in of(client, "ticker"):
        middle = (Decimal(each["best_bid"]) + Decimal(each["best_ask"])) / 2
        nearer += (Decimal(each["price"]) >= middle) == (each["side"] == "buy")
    assert nearer > 0.8 * len(of(client, "ticker"))
    book = built([each for each in of(client, "snapshot", "l2update") if each["product_id"] == BTC])
    assert 0 < book["bids"][0][0] < book["asks"][0][0]


def test_recv_gives_the_dicts_as_text(exchange: Exchange) -> None:
    client = cbpro.WebsocketClient(url=exchange.url, products=BTC, channels=["level2"], venue=VENUE)
    client._connect()
    assert json.loads(client.ws.recv())["type"] == "snapshot"
    assert json.loads(client.ws.recv())["type"] == "subscriptions"
    client._disconnect()


def test_requests_of_a_script_are_made_in_the_names_of_the_venue(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, products=[BTC], channels=["ticker"], venue=VENUE)
    client.start()
    subscribed(client)
    request = {"type": "subscribe", "product_ids": ["ETH-USD"], "channels": ["matches", "full"]}
    client.ws.send(json.dumps(request))
    subscribed(client, 2)
    assert of(client, "error")[0]["reason"].startswith("full: refused: Advanced Trade has no single")
    client.ws.send(json.dumps(request | {"channels": ["ticker"], "product_ids": [BTC]}))  # it has that already
    exchange.advance(1)
    subscribed(client, 3)
    client.ws.send(json.dumps({"type": "unsubscribe", "product_ids": [BTC], "channels": ["ticker"]}))
    subscribed(client, 4)
    client.close()
    assert client.error is None
    listed = [{c["name"]: c["product_ids"] for c in each["channels"]} for each in of(client, "subscriptions")]
    assert listed == [{"ticker": [BTC]}, *[{"ticker": [BTC], "matches": ["ETH-USD"]}] * 2, {"matches": ["ETH-USD"]}]
    sent = [(each["type"], each["channel"], each.get("product_ids")) for each in exchange.requests]
    assert sent == [
        ("subscribe", "ticker", [BTC]),
        ("subscribe", "market_trades", [BTC]),
        ("subscribe", "heartbeats", None),
        ("subscribe", "market_trades", ["ETH-USD"]),
        ("unsubscribe", "ticker", [BTC]),
        ("unsubscribe", "market_trades", [BTC]),
    ]


def test_usdc_products_keep_their_names() -> None:
    with Exchange(["BTC-USDC", "ETH-USD"], venue=VENUE, seed=5, auto=False, start=BEFORE_NOON) as exchange:
        client = Recorder(url=exchange.url, products=["BTC-USDC"], channels=["matches", "level2"], venue=VENUE)
        client.start()
        subscribed(client)
        client.close()
    assert {each["product_id"] for each in of(client, "last_match", "snapshot")} == {"BTC-USDC"}
    assert of(client, "subscriptions")[0]["channels"][0]["product_ids"] == ["BTC-USDC"]


# ---- REST


def test_calls_have_the_values_and_shapes_of_the_exchange() -> None:
    answers: list[dict[str, Any]] = []
    for venue in ("coinbase_exchange", VENUE):
        with market(venue, start=None) as exchange:
            client = cbpro.PublicClient(exchange.rest_url, venue=venue)
            trades = client.get_product_trades(BTC)
            answers.append(
                {
                    "book": client.get_product_order_book(BTC, level=2),
                    "best": client.get_product_order_book(BTC),
                    "ticker": client.get_product_ticker(BTC),
                    "trades": [next(trades) for _ in range(1_200)],
                    "after": list(client.get_product_trades(BTC, after=exchange.last_trade_id(BTC) - 5, limit=3)),
                    "before": list(client.get_product_trades(BTC, before=exchange.last_trade_id(BTC) - 5)),
                    "candles": client.get_product_historic_rates(BTC, granularity=300),
                    "stats": client.get_product_24hr_stats(BTC),
                    "time": client.get_time(),
                    "products": client.get_products(),
                }
            )
            newest = exchange.last_trade_id(BTC)
            assert [each["trade_id"] for each in answers[-1]["trades"]] == list(range(newest, newest - 1_200, -1))
            assert [newest - each["trade_id"] for each in answers[-1]["after"]] == [6, 7, 8]
            assert [newest - each["trade_id"] for each in answers[-1]["before"]] == [0, 1, 2, 3, 4]
    first, second = answers
    for name, answer in first.items():
        given = second[name]
        assert type(given) is type(answer), name
        shapes = [(answer, given)] if isinstance(answer, dict) else [(answer[0], given[0])] if answer else []
        for one, other in shapes:
            if isinstance(one, dict):
                extra = {"high_bid_limit_percentage", "max_slippage_percentage"}
                assert set(one) - set(other) <= extra, name
            else:
                assert list(map(type, other))[:1] == list(map(type, one))[:1], name
    sides = [[tuple(map(Decimal, row[:2])) for row in answer["book"]["bids"]] for answer in answers]
    assert sides[0] == sides[1]
    assert [len(answer["best"]["asks"]) for answer in answers] == [1, 1]


def test_calls_without_data_are_a_clear_error(exchange: Exchange) -> None:
    client = cbpro.PublicClient(exchange.rest_url, venue=VENUE)
    with pytest.raises(ConfigError, match=r"level=3: Advanced Trade has no single orders: use level=2"):
        client.get_product_order_book(BTC, level=3)
    with pytest.raises(ConfigError, match="get_currencies: Advanced Trade has no public list"):
        client.get_currencies()
    assert client.get_product_ticker("NOPE-USD")["message"] == "valid product_id is required"
    assert "message" in list(client.get_product_trades("NOPE-USD"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client.auth = cbpro.CBProAuth("key", "c2VjcmV0", "phrase")
    with pytest.raises(ConfigError, match="auth: Advanced Trade does not take keys"):
        client.get_time()
