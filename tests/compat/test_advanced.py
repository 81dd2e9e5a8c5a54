"""The classic clients on keyless Advanced Trade: the same dicts, books and calls as on Coinbase Exchange."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from websocket import create_connection

import rxfeed.compat as cbpro
from rxfeed import AuthenticationFailed, ConfigError, Reconnect
from rxfeed.compat.hosts import VARIABLE
from rxfeed.errors import FrameMalformed, ServerClosed
from rxfeed.sim import Exchange, faults
from rxfeed.venues import COINBASE_ADVANCED
from tests.compat.recorder import Recorder, finish
from tests.compat.test_keyless import BEFORE_NOON, UPDATES, Book, exchange_states, state_of, warned
from tests.support.leaks import nothing_left_behind
from tests.venues.coinbase_advanced.wire import real_frames

BTC, VENUE = "BTC-USD", "coinbase_advanced"
ALL = ["ticker", "matches", "heartbeat", "level2_batch"]
LONG = pytest.mark.skipif(not os.environ.get("RXFEED_SOAK"), reason="takes a minute: set RXFEED_SOAK=1")
Dicts = list[dict[str, Any]]


def market(venue: str = VENUE, **settings: Any) -> Exchange:
    options: dict[str, Any] = {"seed": 5, "auto": False, "rate": 60, "start": BEFORE_NOON}
    return Exchange([BTC, "ETH-USD"], venue=venue, **(options | settings))


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with market() as exchange:
        exchange.advance(0.05)
        yield exchange


def of(client: Recorder, *kinds: str) -> Dicts:
    return [each for each in client.of("message") if each["type"] in kinds]


def wait_until(ready: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def subscribed(client: Recorder, sessions: int = 1) -> None:
    """Wait until all channels were acknowledged, *sessions* times."""
    wait_until(lambda: len(of(client, "subscriptions")) >= sessions)


# ---- the dicts


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


def levels(side: list[list[str]]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(size)) for price, size in side]


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


# ---- which venue


def test_environment_names_the_venue(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, VENUE)
    with warned() as caught:
        retired = cbpro.WebsocketClient(url="wss://ws-feed.pro.coinbase.com/", channels=["ticker"])
    assert retired.url == "wss://advanced-trade-ws.coinbase.com"
    assert [str(each.message) for each in caught] == [
        "ws-feed.pro.coinbase.com is retired: connecting to advanced-trade-ws.coinbase.com in its place"
    ]
    assert cbpro.WebsocketClient().url == "wss://advanced-trade-ws.coinbase.com"
    assert cbpro.PublicClient().url == "https://api.coinbase.com"
    assert cbpro.OrderBook()._client.url == "https://api.coinbase.com"
    assert cbpro.WebsocketClient(venue="coinbase_exchange").url == "wss://ws-feed.exchange.coinbase.com"

    class Bot(Recorder):
        def on_open(self) -> None:
            self.url, self.products, self.channels = exchange.url, [BTC], ["ticker"]

    client = Bot()
    client.start()
    subscribed(client)
    client.close()
    assert exchange.requests[0] == {"type": "subscribe", "channel": "ticker", "product_ids": [BTC]}


def test_url_of_advanced_trade_names_the_venue() -> None:
    client = cbpro.WebsocketClient(url="wss://advanced-trade-ws.coinbase.com", channels=["ticker"])
    assert client.feed.venue.name == VENUE


@pytest.mark.parametrize("make", [cbpro.WebsocketClient, cbpro.PublicClient, cbpro.OrderBook])
def test_unknown_venue_is_an_error_with_the_known_ones(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    known = "is not known: there is coinbase_exchange, coinbase_advanced"
    with pytest.raises(ConfigError, match=f"venue: 'kraken' {known}"):
        make(venue="kraken")
    monkeypatch.setenv(VARIABLE, "coinbase")
    with pytest.raises(ConfigError, match=f"{VARIABLE}: 'coinbase' {known}"):
        make()


def test_copy_of_a_client_keeps_the_venue() -> None:
    import copy
    import pickle

    client = cbpro.WebsocketClient(channels=["ticker"], venue=VENUE)
    for other in (copy.copy(client), copy.deepcopy(client), pickle.loads(pickle.dumps(client))):
        assert other.feed.venue is COINBASE_ADVANCED
        assert other.feed.translator is not None
    rest = cbpro.PublicClient(venue=VENUE)
    for other in (copy.copy(rest), copy.deepcopy(rest), pickle.loads(pickle.dumps(rest))):
        with pytest.raises(ConfigError, match="get_currencies"):
            other.get_currencies()


# ---- without keys


@pytest.mark.parametrize("channel", ["full", "user", "balance"])
def test_channels_of_orders_are_refused_with_one_line(
    exchange: Exchange, channel: str, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Recorder(url=exchange.url, products=[BTC], channels=[channel], venue=VENUE)
    with nothing_left_behind():
        client.start()
        finish(client)
    ((error, _),) = client.of("error")
    assert isinstance(error, AuthenticationFailed)
    assert str(error).startswith(f"{channel}: refused: ")
    assert capsys.readouterr().out == f"{error} - data: None\n"
    assert client.hooks == ["open", "error", "close"]
    assert exchange.requests == []


def test_refused_channel_beside_others_is_an_error_message(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, products=[BTC], channels=["user", "ticker"], venue=VENUE)
    with warned() as caught:
        client.start()
        subscribed(client)
        client.close()
    (warning,) = caught
    assert warning.filename == __file__
    assert str(warning.message).startswith("user: refused: ")
    assert client.error is None
    (refused,) = of(client, "error")
    assert refused["message"] == "Failed to subscribe"
    assert refused["reason"] == str(warning.message)


def test_unknown_product_is_an_error_message(exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
    client = Recorder(url=exchange.url, products=[BTC, "FOO-USD"], channels=["ticker", "heartbeat"], venue=VENUE)
    client.start()
    subscribed(client)
    time.sleep(3.5)  # then the feed would report it, too
    client.close()
    assert client.error is None
    assert [each["reason"] for each in of(client, "error")] == ["FOO-USD is not a valid product"]
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING] == [
        "rejected: FOO-USD is not a valid product: check products"
    ]


def test_substitutes_are_warned_of_once(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, products=[BTC], channels=["ticker_batch"], venue=VENUE, auth=True)
    with warned() as caught:
        for session in (1, 2):
            client.start()
            subscribed(client, session)
            client.close()
    texts = sorted(str(each.message) for each in caught)
    assert [text.partition(":")[0] for text in texts] == ["auth=True", "ticker_batch"]
    assert {each.filename for each in caught} == {__file__}
    assert of(client, "ticker")[0]["best_bid"] > "0"


@pytest.mark.filterwarnings("ignore:channels is None")
def test_no_channels_are_the_public_ones(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, products=[BTC], channels=None, venue=VENUE)
    client.start()
    subscribed(client)
    client.close()
    assert {each["name"] for each in of(client, "subscriptions")[0]["channels"]} == {"ticker", "matches", "heartbeat"}


# ---- books


@pytest.mark.timeout(180)
@pytest.mark.parametrize("count", [400, pytest.param(UPDATES, marks=LONG)])
def test_book_client_follows_advanced_trade(exchange: Exchange, count: int) -> None:
    book = Book(url=exchange.url, venue=VENUE)
    with nothing_left_behind(), warned() as caught:
        book.start()
        wait_until(lambda: "subscriptions" in book.types)
        expected = exchange_states(exchange, count, "l2_data/update")
        book.wait_for(count)
        book.close()
    assert book.states == expected
    assert book.error is None
    assert book.ready
    assert book.get_current_ticker() is not None
    best = book.get_bid()
    assert book.get_bids(best) == [
        {"id": f"aggregated-buy-{best}", "side": "buy", "price": best, "size": exchange.book(BTC)["bids"][0][1]}
    ]
    (warning,) = caught
    assert "Advanced Trade has no single orders" in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize("channels", [["full"], ["level2", "matches"]])
@pytest.mark.filterwarnings("ignore:full. Advanced Trade has no single orders")
def test_plain_book_follows_advanced_trade(exchange: Exchange, channels: Any) -> None:
    book = cbpro.OrderBook(BTC, client=cbpro.PublicClient(exchange.rest_url, venue=VENUE))
    states: list[Any] = []
    acknowledged, done = threading.Event(), threading.Event()

    class Client(cbpro.WebsocketClient):
        def on_message(self, msg: Any) -> None:
            book.process_message(msg)
            if msg.get("product_id"):
                assert book.get_bid() < book.get_ask()  # from the first message of the product on
            if msg["type"] == "subscriptions":
                acknowledged.set()
            if msg["type"] == "l2update":
                states.append(state_of(book))
                if len(states) == 200:
                    done.set()

    client = Client(url=exchange.url, channels=channels, venue=VENUE)
    with nothing_left_behind():
        client.start()
        assert acknowledged.wait(15)
        expected = exchange_states(exchange, 200, "l2_data/update")
        assert done.wait(30)
        client.close()
    assert states == expected
    assert client.error is None


def test_plain_book_of_other_messages_is_loaded_by_price(exchange: Exchange) -> None:
    book = cbpro.OrderBook(BTC, client=cbpro.PublicClient(exchange.rest_url, venue=VENUE))
    book.process_message({"type": "ticker", "product_id": BTC, "sequence": 1})
    levels = exchange.book(BTC)
    assert (book.get_bid(), book.get_ask()) == (levels["bids"][0][0], levels["asks"][0][0])
    assert book._sequence == exchange.last_trade_id(BTC)


def test_socket_that_the_script_makes_itself_is_warned_of_once(exchange: Exchange) -> None:
    """On it are the venue's own frames, which have no classic form."""

    class Client(Recorder):
        def _connect(self) -> None:
            self.ws = create_connection(self.url)  # pyright: ignore[reportAttributeAccessIssue]
            self.ws.send('{"type":"subscribe","product_ids":["BTC-USD"],"channel":"ticker"}')

    client = Client(url=exchange.url, venue=VENUE)
    with nothing_left_behind(), warned() as caught:
        client.start()
        client.wait_for(1)
        client.ws.close()
        finish(client)
    texts = [str(each.message) for each in caught if "_connect is overridden" in str(each.message)]
    assert len(texts) == 1
    assert "use the venue coinbase_exchange" in texts[0]


# ---- faults


def built(messages: Dicts) -> dict[str, list[tuple[Decimal, Decimal]]]:
    """The book that a script makes of *messages*."""
    book: dict[str, dict[Decimal, Decimal]] = {}
    for each in messages:
        if each["type"] == "snapshot":
            book = {"buy": dict(levels(each["bids"])), "sell": dict(levels(each["asks"]))}
        else:
            for side, price, size in each["changes"]:
                book[side].pop(Decimal(price), None)
                if Decimal(size):
                    book[side][Decimal(price)] = Decimal(size)
    return {"bids": sorted(book["buy"].items(), reverse=True), "asks": sorted(book["sell"].items())}


def move_until(exchange: Exchange, ready: Callable[[], object]) -> None:
    """Let the market's time pass until *ready*."""

    def moved() -> object:
        exchange.advance(0.1)
        time.sleep(0.01)
        return ready()

    wait_until(moved)


def whole(book: cbpro.OrderBook, exchange: Exchange) -> bool:
    """True if *book* is exact, and has the exchange's levels."""
    now = book.get_current_book()
    bids = [(row[0], row[1]) for row in reversed(now["bids"])]
    asks = [(row[0], row[1]) for row in now["asks"]]
    return book.ready and {"bids": bids, "asks": asks} == exchange.book(BTC)


@pytest.mark.filterwarnings("ignore:full. Advanced Trade has no single orders")
@pytest.mark.parametrize(
    "fault",
    [faults.Drop(types={"l2_data"}), faults.Drop(types={"market_trades"}), faults.SkipSequence(3)],
    ids=lambda fault: f"{fault!r}"[:40],
)
def test_book_is_not_ready_from_a_gap_to_the_next_snapshot(exchange: Exchange, fault: faults.Fault) -> None:
    book = Book(url=exchange.url, venue=VENUE)
    book.start()
    wait_until(lambda: "subscriptions" in book.types)
    move_until(exchange, lambda: whole(book, exchange))
    before = book.types.count("snapshot")
    exchange.inject(fault)
    move_until(exchange, lambda: not book.ready)
    move_until(exchange, lambda: book.types.count("snapshot") > before)
    move_until(exchange, lambda: whole(book, exchange))
    book.close()
    assert book.error is None


def test_updates_of_a_book_that_is_not_known_are_dropped(exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
    client = Recorder(url=exchange.url, products=[BTC], channels=["level2"], venue=VENUE)
    client.start()
    subscribed(client)
    exchange.advance(1)
    exchange.inject(faults.Drop(types={"l2_data"}))
    move_until(exchange, lambda: len(of(client, "snapshot")) == 2)
    move_until(exchange, lambda: built(of(client, "snapshot", "l2update")) == exchange.book(BTC))
    client.close()
    assert len(of(client, "l2update")) < exchange.sent.by_kind["l2_data/update"]
    assert "there is no l2update until the snapshot" in caplog.text


def test_reconnect_gives_the_missed_trades_once(exchange: Exchange) -> None:
    quick = Reconnect(initial=0.01, maximum=0.05)
    client = Recorder(url=exchange.url, products=[BTC], channels=["matches", "level2"], venue=VENUE, reconnect=quick)
    client.start()
    subscribed(client)
    exchange.advance(5)
    exchange.disconnect(1001, "going away")
    exchange.advance(3)
    subscribed(client, 2)
    exchange.advance(3)
    last = exchange.last_trade_id(BTC)
    wait_until(lambda: any(each["trade_id"] == last for each in of(client, "match")))
    client.close()
    ids = [each["trade_id"] for each in of(client, "match")]
    assert ids == list(range(ids[0], last + 1))
    assert len(of(client, "last_match")) == len(of(client, "snapshot")) == 2
    assert client.of("error") == []


def test_closed_connection_ends_the_session(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, products=[BTC], channels=["ticker"], venue=VENUE)
    with nothing_left_behind():
        client.start()
        subscribed(client)
        exchange.disconnect(1001, "going away")
        finish(client)
    assert isinstance(client.error, ServerClosed)
    assert client.hooks == ["open", "error", "close"]


@pytest.mark.parametrize("payload", ['{"channel":', '{"channel":"l2_data","events":7}', "[]"])
def test_malformed_frame_goes_to_on_error(exchange: Exchange, payload: str) -> None:
    client = Recorder(url=exchange.url, products=[BTC], channels=["ticker", "level2"], venue=VENUE)
    with nothing_left_behind():
        client.start()
        subscribed(client)
        exchange.inject(faults.MalformedFrame(payload))
        exchange.advance(1)
        finish(client)
    ((error, data),) = client.of("error")
    assert isinstance(error, FrameMalformed)
    assert data == payload
    assert client.stop is True


def test_unknown_frames_reach_no_script(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, products=[BTC], channels=["ticker"], venue=VENUE)
    client.start()
    subscribed(client)
    exchange.inject(faults.MalformedFrame('{"channel":"news","timestamp":"2026-01-02T12:00:00Z","events":[]}'))
    exchange.advance(3)
    client.close()
    assert client.error is None
    assert all("type" in each for each in client.of("message"))


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
