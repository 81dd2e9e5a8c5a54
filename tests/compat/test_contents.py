"""The content of frames: decoded once, and equal to what the full decoding passes to the hooks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import Gap, Message
from rxfeed.compat import WebsocketClient
from rxfeed.compat.settings import ClassicFeed
from rxfeed.compat.socket import Socket
from rxfeed.feed import Dispatcher
from rxfeed.sim import Exchange
from rxfeed.venues.coinbase_exchange import L2Update

NS = 1_790_733_802_000_000_000
BTC = "BTC-USD"
TIME = "2026-01-02T12:00:{:02d}.123456Z"


def text(kind: str, second: int = 0, **fields: Any) -> bytes:
    """A frame of the exchange, with the time at its end."""
    content = {"type": kind, "product_id": BTC} | fields | {"time": TIME.format(second % 60)}
    return json.dumps(content, separators=(",", ":")).encode()


def trade(number: int, second: int = 0, **fields: Any) -> bytes:
    order = {"maker_order_id": "a", "taker_order_id": "b", "side": "buy", "size": "1", "price": "100"}
    return text("match", second, trade_id=number, sequence=number * 10, **order, **fields)


def update(price: str = "9.5", **fields: Any) -> bytes:
    return text("l2update", changes=[["buy", price, "1"]], **fields)


def order(number: int) -> bytes:
    return text("open", number, sequence=number, order_id="a", side="buy", price="1", remaining_size="2")


class Session:
    """A feed without a connection, and what its hook gets. *once*: frames are decoded once where that is possible."""

    def __init__(self, *, once: bool) -> None:
        self.feed = ClassicFeed([BTC], ["level2_batch", "matches", "full"], drop_duplicates=False)
        self.got: list[Any] = []
        self.gaps: list[Any] = []
        self.feed.status.subscribe(lambda status: self.gaps.append(status) if isinstance(status, Gap) else None)
        self.socket = Socket(self.feed)
        self.socket._handler = self.take
        self.socket._malformed = lambda frame: self.got.append(frame.raw)
        self.socket._reader.handle = self.take if once else None
        streams = self.feed._streams
        continuity = streams.venue.gaps()
        continuity.watch([("level2_batch", BTC), ("matches", BTC)])
        self.dispatcher = (streams.dispatcher or Dispatcher)(streams, continuity, drop_duplicates=False)

    def take(self, content: Any) -> None:
        self.got.append(content)

    def read(self, *frames: bytes) -> None:
        self.dispatcher.frames(frames, NS)

    def seen(self) -> Any:
        stats = self.feed.stats
        counts = {key: each.count for key, each in stats.counts.items() if each.count}
        gaps = [(gap.channel, gap.first, gap.last) for gap in self.gaps]
        numbers = (stats.duplicates, stats.gaps, stats.gapped, stats.frames, stats.bytes)
        return self.got, counts, gaps, numbers, self.dispatcher.data_received


ODD = [
    b"no JSON",
    b"[1]",
    b'"text"',
    b'{"type":["match"]}',
    b'{"type":"match","product_id":7}',
    b'{"type":"l2update","product_id":null}',
    b'{"type":"news","product_id":"BTC-USD","sequence":4}',
    b'{"type":"error","message":"Failed to subscribe"}',
    b'{"type":"subscriptions","channels":[]}',
    b'{"type":"heartbeat","product_id":"BTC-USD","sequence":1,"last_trade_id":3,"time":"2026-01-02T12:00:00.000000Z"}',
    update(volume=1e300).replace(b"1e+300", b"1e999"),
    update(note="\u20ac"),
    update().replace(b"123456Z", b"123456789Z"),
    trade(3).replace(b"123456Z", b"999999999Z"),
    trade(4).replace(b'"trade_id":4', b'"trade_id":"4"'),
    b"\xff" + update(),
]


@given(st.lists(st.sampled_from([update(), *(trade(number, number) for number in range(1, 8)), *ODD]), max_size=20))
def test_contents_decoded_once_are_those_of_the_full_decoding(frames: list[bytes]) -> None:
    once, whole = Session(once=True), Session(once=False)
    for session in (once, whole):
        session.read(*frames[:7])
        session.read(*frames[7:])
    assert once.seen() == whole.seen()


@given(st.lists(st.integers(1, 9), max_size=12))
def test_contents_of_orders_show_the_gaps_of_the_full_decoding(numbers: list[int]) -> None:
    sessions = [Session(once=True), Session(once=False)]
    for session in sessions:
        session.dispatcher._continuity.watch([("full", BTC)])
        session.read(*map(order, numbers))
    assert sessions[0].seen() == sessions[1].seen()


def test_contents_of_frames_make_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(once=True)
    session.read(trade(1))
    monkeypatch.setattr(session.dispatcher, "_quick", None)
    monkeypatch.setattr(session.dispatcher, "decode", None)  # a frame that needs it fails
    session.read(update(), trade(2, 2), trade(5, 3))
    assert [content["type"] for content in session.got] == ["match", "l2update", "match", "match"]
    assert [(gap.first, gap.last) for gap in session.gaps] == [(3, 4)]


def test_subscriber_of_the_feed_gets_messages_from_the_next_frame_on() -> None:
    session, messages = Session(once=True), list[Message]()

    def take(content: Any) -> None:
        session.got.append(content)
        if len(session.got) == 2:
            session.feed.subscribe(messages.append)

    session.socket._handler = session.socket._reader.handle = take
    session.read(update("1"), update("2"), update("3"))
    session.read(update("4"))
    assert [content["changes"][0][1] for content in session.got] == ["1", "2", "3", "4"]
    assert [message.changes[0][1] for message in messages if isinstance(message, L2Update)] == [3, 4]
    assert session.feed.stats.messages == 4


def test_client_of_a_server_decodes_its_frames_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole: list[Any] = []
    frames = Dispatcher.frames

    def decoded_in_full(self: Dispatcher, events: Any, received_ns: int) -> None:
        whole.extend(events)
        frames(self, events, received_ns)

    monkeypatch.setattr(Dispatcher, "frames", decoded_in_full)
    sent = [each for number in range(1, 9) for each in (trade(number, number), update())]
    got: list[Any] = []

    class Client(WebsocketClient):
        def on_message(self, msg: Any) -> None:
            got.append(msg)

    with Exchange.serving([*sent, text("heartbeat", 9, sequence=80, last_trade_id=8)], then="close") as exchange:
        client = Client(url=exchange.url, products=BTC, channels=["level2_batch", "matches"], should_print=False)
        client.start()
        assert client.thread is not None
        client.thread.join(20)
    assert [msg["type"] for msg in got] == ["match", "l2update"] * 8 + ["heartbeat"]
    assert [each for each in whole if each in sent] == []
    assert any(isinstance(each, bytes) and b"heartbeat" in each for each in whole)
