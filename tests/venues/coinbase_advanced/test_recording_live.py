"""The real recording, played over a real socket."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from rxfeed import Feed, order_book, trades, window_volume
from rxfeed.feed import Gap
from rxfeed.market import BookSnapshot, BookUpdate, PriorTrade, Trade
from tests.support.collect import Collected
from tests.venues.coinbase_advanced.wire import BTC, ETH, Client, Venue, after, real_frames

CHANNELS = ["market_trades", "candles", "ticker", "level2", "heartbeats"]


class Model:
    """A book as two dictionaries, from the frame's own JSON."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[str, dict[Decimal, Decimal]]] = {}

    def apply(self, event: dict[str, Any]) -> None:
        if event["type"] == "snapshot":
            self.sides[event["product_id"]] = {"bid": {}, "offer": {}}
        sides = self.sides[event["product_id"]]
        for each in event["updates"]:
            price, size = Decimal(each["price_level"]), Decimal(each["new_quantity"])
            if size:
                sides[each["side"]][price] = size
            else:
                sides[each["side"]].pop(price, None)

    def equals(self, view: Any, event: dict[str, Any], whole: bool) -> bool:
        """True if *view* is this book; unless *whole*, it was before *event*, so that its prices are compared."""
        bids, asks = (self.sides[view.product_id][side] for side in ("bid", "offer"))
        if whole:
            return dict(view.bids) == bids and dict(view.asks) == asks
        sides = {"bid": ("buy", bids), "offer": ("sell", asks)}
        return all(
            view.size_at(sides[each["side"]][0], price) == sides[each["side"]][1].get(price, 0)
            for each in event["updates"]
            for price in [Decimal(each["price_level"])]
        )


def run(feed: Feed) -> None:
    with pytest.raises(Exception, match="1000"):  # the server closed
        feed.run()


def test_recorded_frames_arrive_once_and_books_follow() -> None:
    frames = real_frames()
    model, wrong = Model(), list[int]()
    with Venue(after(5, frames)) as venue:
        feed = Feed([BTC, ETH], CHANNELS, venue="coinbase_advanced", url=venue.url, reconnect=False)
        books: dict[str, Any] = {}
        for product in (BTC, ETH):
            feed.pipe(order_book(product)).subscribe(lambda view: books.update({view.product_id: view}), print)
        updates, everything = 0, list[Any]()

        def compare(message: Any) -> None:
            nonlocal updates
            everything.append(message)
            if isinstance(message, BookSnapshot | BookUpdate):
                updates += 1
                (event,) = json.loads(message.raw)["events"]
                model.apply(event)
                whole = isinstance(message, BookSnapshot) or updates % 100 == 0
                if not model.equals(books[message.product_id], event, whole):
                    wrong.append(updates)

        feed.subscribe(compare, print)
        status, windows = Collected(feed.status), Collected(feed.pipe(window_volume(5)))
        run(feed)
    assert wrong == []
    assert [request["channel"] for request in venue.requests] == CHANNELS
    assert (feed.stats.frames, feed.stats.duplicates, feed.stats.malformed) == (len(frames), 0, 0)
    assert not [each for each in status.items if isinstance(each, Gap)]
    sent = [
        (trade, event["type"])
        for frame in map(json.loads, frames)
        for event in frame["events"]
        for trade in event.get("trades", ())
    ]
    for kind, name in ((PriorTrade, "snapshot"), (Trade, "update")):
        ids = sorted(int(trade["trade_id"]) for trade, type_ in sent if type_ == name)
        assert sorted(each.trade_id for each in everything if isinstance(each, kind)) == ids
        for product in (BTC, ETH):
            own = [each.trade_id for each in everything if isinstance(each, kind) and each.product_id == product]
            assert own == sorted(own)
    traded = sum(Decimal(trade["size"]) for trade, kind in sent if kind == "update")
    assert sum(each.volume for each in windows.items) == traded
    assert updates == 465
    makers = {trade["trade_id"]: trade["side"] for trade, _ in sent}
    for each in everything:
        if isinstance(each, Trade):
            assert each.maker_side == makers[str(each.trade_id)].lower() != each.taker_side


def test_missing_frame_is_one_gap_and_books_recover() -> None:
    frames = real_frames()
    lost = next(n for n, frame in enumerate(frames) if n > 200 and '"l2_data"' in frame)
    requests: list[Any] = []

    def play(client: Client, number: int) -> None:
        client.receive(5)
        client.send(*frames[:lost], *frames[lost + 1 :])
        requests.extend(client.receive(2))
        snapshots = [each for each in frames if '"l2_data"' in each and '"snapshot"' in each[:150]]
        count = len(frames)
        for each in snapshots:
            text = json.loads(each)
            client.send(json.dumps({**text, "sequence_num": count}))
            count += 1
        client.receive(1)

    with Venue(play) as venue:
        feed = Feed([BTC, ETH], CHANNELS, venue="coinbase_advanced", url=venue.url, reconnect=False)
        views: dict[str, list[Any]] = {BTC: [], ETH: []}
        for product in (BTC, ETH):
            feed.pipe(order_book(product)).subscribe(views[product].append, print)
        status, windows = Collected(feed.status), Collected(feed.pipe(window_volume(2)))
        ids = Collected(feed.pipe(trades()))
        feed.connect()
        for _ in range(400):
            if all(sum(not each.ready for each in seen) and seen[-1].ready for seen in views.values()):
                break
            feed.wait(0.05)
        feed.close()
    (gap,) = [each for each in status.items if isinstance(each, Gap)]
    assert (gap.product_id, gap.channel, gap.first, gap.last) == (None, "sequence_num", lost, lost)
    assert [(each["type"], each["channel"], sorted(each["product_ids"])) for each in requests] == [
        ("unsubscribe", "level2", [BTC, ETH]),
        ("subscribe", "level2", [BTC, ETH]),
    ]
    for seen in views.values():
        assert sum(not each.ready for each in seen) == 1  # not ready once, until the snapshot
        assert seen[-1].ready
    assert len({each.epoch for each in ids.items}) == 2
    # The trades are consecutive, so that only the first window of a product, and the last one, are incomplete.
    for product in (BTC, ETH):
        own = [each for each in windows.items if each.product_id == product]
        assert len(own) > 3
        assert all(each.complete for each in own[1:-1])
