"""The channels of an account, and orders that are placed on the exchange."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from rxfeed.errors import ConfigError
from rxfeed.sim import Exchange, KeyPair
from tests.sim.coinbase_advanced.conftest import BTC, Client, token

Make = Callable[..., tuple[Exchange, Client]]


def orders(frames: list[Any]) -> list[Any]:
    return [order for frame in frames for order in frame["events"][0]["orders"]]


def test_states_of_an_order_are_cumulative(make: Make, pairs: dict[str, KeyPair]) -> None:
    exchange, client = make(BTC)
    client.subscribe("user", jwt=token(pairs["ES256"]))
    asks = exchange.book(BTC)["asks"]
    size = asks[0][1] + asks[1][1] / 2
    size = size.quantize(Decimal("0.00000001"))
    order_id = exchange.place_order(BTC, "buy", size, asks[1][0], client_order_id="mine")
    states = orders(client.all())
    assert {state["order_id"] for state in states} == {order_id}
    assert {state["client_order_id"] for state in states} == {"mine"}
    assert [state["status"] for state in states] == ["PENDING", "OPEN", "FILLED"]
    filled = [Decimal(state["cumulative_quantity"]) for state in states]
    assert filled == [0, asks[0][1], size]
    assert [int(state["number_of_fills"]) for state in states] == [0, 1, 2]
    last = states[-1]
    value = asks[0][0] * asks[0][1] + asks[1][0] * (size - asks[0][1])
    assert Decimal(last["filled_value"]) == value
    assert abs(Decimal(last["avg_price"]) - value / size) < Decimal("1e-7")
    assert (last["leaves_quantity"], last["completion_percentage"]) == ("0", "100.00")
    assert Decimal(last["total_value_after_fees"]) == value + Decimal(last["total_fees"])
    assert all(isinstance(text, str) for text in last.values())
    assert (last["order_side"], last["order_type"], last["post_only"]) == ("BUY", "Limit", "false")


def test_resting_order_stays_until_it_is_canceled(make: Make, pairs: dict[str, KeyPair]) -> None:
    exchange, client = make(BTC, rate=500)
    client.subscribe("user", jwt=token(pairs["EdDSA"]))
    order_id = exchange.place_order(BTC, "buy", "0.5", "30000")
    exchange.step(3_000)
    assert (Decimal(30_000), Decimal("0.5")) in exchange.book(BTC)["bids"]
    exchange.cancel_order(order_id)
    assert [state["status"] for state in orders(client.all())] == ["PENDING", "OPEN", "CANCELLED"]
    assert (Decimal(30_000), Decimal("0.5")) not in exchange.book(BTC)["bids"]
    with pytest.raises(ConfigError, match="is no open order"):
        exchange.cancel_order(order_id)


def test_fills_of_a_resting_order_are_reported(make: Make, pairs: dict[str, KeyPair]) -> None:
    exchange, client = make(BTC, rate=500)
    client.subscribe("user", jwt=token(pairs["EdDSA"]))
    bid = exchange.book(BTC)["bids"][0][0]
    exchange.place_order(BTC, "buy", "0.2", bid + Decimal("0.01"))
    exchange.step(2_000)
    states = orders(client.all())
    filled = [Decimal(state["cumulative_quantity"]) for state in states]
    assert filled == sorted(filled)
    assert states[-1]["status"] == "FILLED"
    assert filled[-1] == Decimal("0.2")
    assert int(states[-1]["number_of_fills"]) > 1


def test_market_order_has_no_price(make: Make, pairs: dict[str, KeyPair]) -> None:
    exchange, client = make(BTC)
    client.subscribe("user", jwt=token(pairs["EdDSA"]))
    exchange.place_order(BTC, "sell", "0.01")
    states = orders(client.all())
    assert states[-1]["status"] == "FILLED"
    assert (states[-1]["order_type"], states[-1]["limit_price"]) == ("Market", "")


@pytest.mark.parametrize(("count", "batches"), [(0, [0]), (3, [3]), (50, [50, 0]), (120, [50, 50, 20])])
def test_open_orders_come_in_batches_of_fifty(
    make: Make, pairs: dict[str, KeyPair], count: int, batches: list[int]
) -> None:
    exchange, client = make()
    for number in range(count):
        exchange.place_order(BTC if number % 2 else "ETH-USD", "buy", "1", str(100 + number))
    canceled = exchange.place_order(BTC, "buy", "1", "99")
    exchange.cancel_order(canceled)
    frames = client.ask({"type": "subscribe", "channel": "user", "jwt": token(pairs["ES256"])})[:-1]
    assert [len(frame["events"][0]["orders"]) for frame in frames] == batches
    assert {frame["events"][0]["type"] for frame in frames} == {"snapshot"}
    assert len({order["order_id"] for order in orders(frames)}) == count
    positions = {"perpetual_futures_positions": [], "expiring_futures_positions": []}
    assert all(frame["events"][0]["positions"] == positions for frame in frames)


def test_only_subscribed_products_are_reported(make: Make, pairs: dict[str, KeyPair]) -> None:
    exchange, client = make()
    client.subscribe("user", "ETH-USD", jwt=token(pairs["ES256"]))
    exchange.place_order(BTC, "buy", "1", "100")
    exchange.place_order("ETH-USD", "buy", "1", "100")
    assert {order["product_id"] for order in orders(client.all())} == {"ETH-USD"}


def test_futures_balance_comes_at_once_and_every_five_seconds(make: Make, pairs: dict[str, KeyPair]) -> None:
    exchange, client = make()
    frames = client.subscribe("futures_balance_summary", jwt=token(pairs["ES256"]))
    exchange.advance(10)
    events = [frame["events"][0] for frame in (*frames[:-1], *client.all())]
    assert [event["type"] for event in events] == ["snapshot", "update", "update"]
    assert events[0]["fcm_balance_summary"]["intraday_margin_window_measure"]["initial_margin"] == "0"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("XRP-USD", "buy", "1"), "product_id: 'XRP-USD' is none of BTC-USD, ETH-USD"),
        ((BTC, "BUY", "1"), "side: 'BUY' is none of 'buy', 'sell'"),
        ((BTC, "buy", "0"), "size: '0' is not a positive multiple"),
        ((BTC, "buy", "much"), "size: 'much' is not a positive multiple"),
        ((BTC, "buy", "nan"), "size: 'nan' is not a positive multiple"),
        ((BTC, "buy", "1", "0.001"), "price: '0.001' is not a positive multiple of 0.01"),
    ],
)
def test_orders_with_bad_arguments_are_errors(make: Make, arguments: tuple[Any, ...], text: str) -> None:
    exchange, _ = make()
    with pytest.raises(ConfigError, match=text):
        exchange.place_order(*arguments)


def test_orders_do_not_change_what_is_random(make: Make) -> None:
    """The simulated orders are the same beside one that stays away from all prices."""

    def trades(own: bool) -> int:
        exchange, _ = make(BTC)
        if own:
            exchange.place_order(BTC, "buy", "1", "0.01")
        exchange.step(500)
        return exchange.last_trade_id(BTC)

    assert trades(own=False) == trades(own=True)
