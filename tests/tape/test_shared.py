"""Two publishers on one tape: each message once, and a gap only where neither has it."""

from __future__ import annotations

from collections import Counter

import pytest

from rxfeed import Feed, Reconnect, Trade, order_book, window_volume
from rxfeed.feed import Gap
from rxfeed.market import BookSnapshot
from rxfeed.sim import Exchange, faults
from rxfeed.sim.nats_server import NatsServer
from rxfeed.tape import NatsFeed, TapeSink, to_nats
from tests.sinks.servers import until
from tests.support.collect import Collected
from tests.tape.tapes import messages_of

PRODUCTS = ["BTC-USD", "ETH-USD"]
TRADES = {"coinbase_exchange": ["matches", "heartbeat"], "coinbase_advanced": ["trades", "heartbeat"]}


def publisher(
    exchange: Exchange, url: str, stream: str, name: str, channels: list[str], venue: str = "coinbase_exchange"
) -> tuple[Feed, TapeSink]:
    feed = Feed(PRODUCTS, channels, venue=venue, url=exchange.url, reconnect=Reconnect(initial=0))
    sink = to_nats(url, stream=stream, publisher=name, shared=True)
    feed.pipe(sink).subscribe()
    return feed, sink


@pytest.mark.parametrize("venue", TRADES)
def test_gap_of_one_publisher_is_none(venue: str, server: NatsServer, stream: str) -> None:
    """Each connection loses frames of its own, and is reset once."""
    script = [
        *(faults.Drop(after=after, connection=1) for after in range(40, 400, 60)),
        *(faults.Drop(after=after, connection=2) for after in range(60, 400, 60)),
        faults.Reset(after=250, connection=1),
    ]
    with Exchange(PRODUCTS, seed=5, auto=False, venue=venue, faults=script) as exchange:
        one, first = publisher(exchange, server.url, stream, "one", TRADES[venue], venue)
        live = NatsFeed(server.url, stream=stream, venue=venue, since="all")
        early = Collected(live)
        with live, one:
            exchange.wait_for_clients(1)
            other, second = publisher(exchange, server.url, stream, "other", TRADES[venue], venue)
            with other:
                exchange.wait_for_clients(2)
                until(lambda: second.stats.published > 2)
                until(lambda: exchange.step(5) or one.stats.connections == 2)
                exchange.wait_for_clients(2)
                until(lambda: exchange.step(5) or other.stats.messages > 700)
                last = {product: exchange.last_trade_id(product) for product in PRODUCTS}
                until(lambda: not first.stats.queued and not second.stats.queued)
            assert one.stats.gaps
            assert other.stats.gaps
        assert second.stats.duplicates > 50 or first.stats.duplicates > 50
    late = NatsFeed(server.url, stream=stream, venue=venue, since="all", until="now")
    got, statuses = Collected(late), Collected(late.status)
    windows = Collected(late.pipe(window_volume(1)))
    late.serve()
    for product in PRODUCTS:
        ids = [each.trade_id for each in got.items if isinstance(each, Trade) and each.product_id == product]
        assert ids == list(range(ids[0], ids[-1] + 1))
        assert len(ids) > 100
        assert ids[-1] > last[product] - 20  # one venue sends its trades in groups
    assert not [each for each in statuses.items if isinstance(each, Gap)]
    assert {each.epoch for each in got.items if isinstance(each, Trade)} == {got.items[0].epoch}
    assert windows.items
    assert early.items == got.items[: len(early.items)]
    stored = Counter((each.headers or {}).get("Nats-Msg-Id") for each in messages_of(server.url, stream))
    assert max(stored.values()) == 1


def test_book_follows_one_publisher_and_moves_at_a_snapshot(server: NatsServer, stream: str) -> None:
    with Exchange(PRODUCTS, seed=5, auto=False) as exchange:
        channels = ["level2_batch", "heartbeat"]
        one, first = publisher(exchange, server.url, stream, "one", channels)
        with one:
            exchange.wait_for_clients(1)
            until(lambda: exchange.step(1) or min(_counts(server.url, stream, first.stats.session)) > 1)
            other, second = publisher(exchange, server.url, stream, "other", channels)
            expected = {product: Collected(other.pipe(order_book(product, depth=1000))) for product in PRODUCTS}
            with other:
                exchange.wait_for_clients(2)
                for _ in range(20):
                    exchange.step(5)
                until(lambda: second.stats.withheld > 20)
                assert {each[0] for each in _books(server.url, stream)} == {first.stats.session}
                one.close()
                session = second.stats.session
                until(lambda: exchange.step(5) or min(_counts(server.url, stream, session)) > 5)
                until(lambda: not second.stats.queued)
    for product in PRODUCTS:
        sessions = [mine for mine, subject in _books(server.url, stream) if subject.endswith(f".{product}")]
        moved = sessions.index(session)
        assert set(sessions[:moved]) == {first.stats.session}
        assert set(sessions[moved:]) == {session}
    feed = NatsFeed(server.url, stream=stream, since="all", until="now")
    got = Collected(feed)
    views = {product: Collected(feed.pipe(order_book(product, depth=1000))) for product in PRODUCTS}
    feed.serve()
    for product in PRODUCTS:
        snapshots = [each for each in got.items if isinstance(each, BookSnapshot) and each.product_id == product]
        assert len(snapshots) >= 2
        assert snapshots[-1].epoch > snapshots[0].epoch
        assert (views[product].items[-1].bids, views[product].items[-1].asks) == (
            expected[product].items[-1].bids,
            expected[product].items[-1].asks,
        )


def _counts(url: str, stream: str, session: str) -> list[int]:
    """The messages of the session on each product's book."""
    counted = Counter(subject.rpartition(".")[2] for mine, subject in _books(url, stream) if mine == session)
    return [counted[product] for product in PRODUCTS]


def _books(url: str, stream: str) -> list[tuple[str, str]]:
    """The session and the subject of each message of a book."""
    try:
        found = messages_of(url, stream)
    except Exception:
        return []
    return [
        ((each.headers or {})["Rxfeed-From"].split(" ")[0], each.subject)
        for each in found
        if ".level2." in each.subject
    ]
