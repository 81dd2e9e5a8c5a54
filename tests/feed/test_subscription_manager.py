"""SubscriptionManager: what is said so that a connection has what is manager."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rxfeed.feed.subscription_manager import SubscriptionManager
from rxfeed.market import ChannelSubscription
from rxfeed.secrets import Secret, revealed
from rxfeed.venues.coinbase_exchange import COINBASE_EXCHANGE, Credentials, ExchangeSubscription
from rxfeed.venues.coinbase_exchange.messages import ExchangeSubscriptions


def of(products: Any, channels: Any) -> ExchangeSubscription:
    return ExchangeSubscription.of(products, channels)


def said(texts: Sequence[str | Secret]) -> list[tuple[str, dict[str, list[str]]]]:
    """Kind, and products by channel, of each message."""
    found = []
    for text in texts:
        message = json.loads(revealed(text))
        channels = {each["name"]: each.get("product_ids", []) for each in message["channels"]}
        found.append((message["type"], channels))
    return found


def opened(products: Any = "A-B", channels: Any = "ticker") -> SubscriptionManager:
    manager = SubscriptionManager(of(products, channels), COINBASE_EXCHANGE)
    manager.opening(None, "")
    return manager


def test_connection_starts_with_the_user_s_subscription() -> None:
    subscription = of(["A-B", "C-D"], ["ticker", {"name": "matches", "product_ids": ["E-F"]}])
    assert SubscriptionManager(subscription, COINBASE_EXCHANGE).opening(None, "") == [subscription.text()]


def test_changes_that_gather_are_said_at_once() -> None:
    manager = opened(["A-B", "C-D"], ["ticker", "matches"])
    manager.add(of("E-F", ["ticker", "heartbeat"]))
    manager.add(of("G-H", "ticker"))
    manager.remove(of("A-B", ["ticker", "matches"]))
    assert said(manager.changes(None, "")) == [
        ("unsubscribe", {"ticker": ["A-B"], "matches": ["A-B"]}),
        ("subscribe", {"ticker": ["E-F", "G-H"], "heartbeat": ["E-F"]}),
    ]
    assert manager.changes(None, "") == []


def test_changes_that_cancel_one_another_are_not_said() -> None:
    manager = opened()
    manager.add(of("C-D", "ticker"))
    manager.remove(of("C-D", "ticker"))
    manager.remove(of("A-B", "ticker"))
    manager.add(of("A-B", "ticker"))
    assert manager.changes(None, "") == []


def test_a_new_connection_is_told_all_of_it() -> None:
    manager = opened(["A-B", "C-D"], "ticker")
    manager.add(of([], "status"))
    manager.remove(of("A-B", "ticker"))
    manager.changes(None, "")
    assert said(manager.opening(None, "")) == [("subscribe", {"ticker": ["C-D"], "status": []})]


def test_nothing_is_said_where_nothing_is_wanted() -> None:
    manager = opened()
    manager.remove(of("A-B", "ticker"))
    assert said(manager.changes(None, "")) == [("unsubscribe", {"ticker": ["A-B"]})]
    assert manager.opening(None, "") == []


def test_without_products_a_whole_channel_goes() -> None:
    manager = opened(["A-B", "C-D"], ["ticker", "matches"])
    manager.remove(of([], "ticker"))
    assert said(manager.changes(None, "")) == [("unsubscribe", {"ticker": ["A-B", "C-D"]})]


def test_what_a_channel_says_beside_its_products_is_said_again() -> None:
    manager = opened([], [{"name": "balance", "account_ids": ["a"]}])
    manager.add(of("A-B", "ticker"))
    manager.changes(None, "")
    (text,) = manager.opening(None, "")
    assert {"name": "balance", "account_ids": ["a"]} in json.loads(revealed(text))["channels"]


def test_each_message_is_signed() -> None:
    manager = opened()
    manager.add(of("C-D", "full"))
    (request,) = manager.changes(Credentials("k", "c2VjcmV0", "p"), "17.0")
    assert isinstance(request, Secret)
    message = json.loads(request.reveal())
    assert (message["key"], message["timestamp"]) == ("k", "17.0")
    assert message["signature"]


def test_answers_are_matched_under_the_exchange_s_names() -> None:
    manager = opened(["A-B", "C-D"], ["level2_batch", "ticker_batch", "status"])
    answer = ExchangeSubscriptions(
        channels=(
            ChannelSubscription("level2_50", ("C-D", "A-B")),
            ChannelSubscription("ticker_1000", ("A-B",)),
            ChannelSubscription("status", ()),
        )
    )
    # `status` takes no products, though it was given some with the others.
    assert manager.missing(answer) == (("ticker_batch", "C-D"),)
    assert ("level2_batch", "A-B") in manager.pairs


PAIRS = st.tuples(st.sampled_from(["A-B", "C-D", "E-F"]), st.sampled_from(["ticker", "matches", "full"]))
STEPS = st.lists(st.tuples(st.sampled_from(["add", "remove", "say", "reconnect"]), PAIRS), max_size=40)


@given(STEPS)
def test_an_exchange_that_does_as_it_is_told_ends_up_with_what_is_wanted(steps: list[Any]) -> None:
    manager, model, held = opened(), {("ticker", "A-B")}, {("ticker", "A-B")}

    def hear(texts: Sequence[str | Secret]) -> None:
        for kind, channels in said(texts):
            pairs = {(channel, product) for channel, products in channels.items() for product in products}
            assert pairs
            assert (not pairs & held) if kind == "subscribe" else pairs <= held
            held.symmetric_difference_update(pairs)

    for step, (product, channel) in steps:
        if step == "add":
            manager.add(of(product, channel))
            model.add((channel, product))
        elif step == "remove":
            manager.remove(of(product, channel))
            model.discard((channel, product))
        elif step == "say":
            hear(manager.changes(None, ""))
            assert held == model
        else:
            held.clear()
            for text in manager.opening(None, ""):
                message = json.loads(revealed(text))
                root = message.get("product_ids", [])
                for each in message["channels"]:
                    name = each if isinstance(each, str) else each["name"]
                    own = root if isinstance(each, str) else each["product_ids"]
                    held.update((name, one) for one in own)
            assert held == model
    hear(manager.changes(None, ""))
    assert held == model


def test_renewing_says_the_channel_anew() -> None:
    manager = opened(["A-B", "C-D"], ["level2_50", "ticker"])
    manager.renew(frozenset({"level2_batch"}), "C-D")
    assert said(manager.changes(None, "")) == [
        ("unsubscribe", {"level2_50": ["C-D"]}),
        ("subscribe", {"level2_50": ["C-D"]}),
    ]
    assert not manager.changed
    manager.renew(frozenset({"full"}), None)
    assert not manager.changed
    manager.renew(frozenset({"level2_batch"}), None)
    manager.remove(of("A-B", "level2_50"))
    assert said(manager.changes(None, "")) == [
        ("unsubscribe", {"level2_50": ["A-B", "C-D"]}),
        ("subscribe", {"level2_50": ["C-D"]}),
    ]


def test_routes_of_many_products_are_found_without_a_search() -> None:
    """The comparisons do not grow with the pairs."""

    class Compared(str):
        __slots__ = ()
        comparisons = 0

        def __eq__(self, other: object) -> bool:
            Compared.comparisons += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    def compared(products: int) -> int:
        names = [Compared(f"P{number}-USD") for number in range(products)]
        manager = SubscriptionManager(ExchangeSubscription.of(names, ["ticker"]), COINBASE_EXCHANGE)
        Compared.comparisons = 0
        for channels in (frozenset(("ticker", "ticker_batch")), frozenset(("matches",)), None):
            for product in ("P7-USD", "X-USD", None):
                manager.has(channels, product)
        return Compared.comparisons

    assert compared(3000) < 30
