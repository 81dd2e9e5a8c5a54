"""Decoding many lines together gives the same results as line by line, for any lines and subscribers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import reactivex
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rxfeed import Malformed, Match, Message, Replay, matches, trades
from rxfeed.feed import Ended, Gap
from rxfeed.market import Origin, stamp
from rxfeed.operators import level2, select
from rxfeed.recording.events import status_line
from rxfeed.recording.format import decode_line, frame_line, malformed_line, pong_line
from rxfeed.venues.coinbase_exchange import ExchangeDecoder, ExchangeHeartbeat, ExchangeTicker
from tests.support.amounts import amount
from tests.support.collect import Collected
from tests.support.make import NOON, heartbeat, match, ticker
from tests.support.segments import NS, lines_of, write

A_GAP = status_line(Gap(product_id="BTC-USD", channel="matches", first=1, last=1, at=NOON))
LINES = st.lists(
    st.sampled_from(
        [
            *lines_of([match(1, trade_id=1).raw], epoch=3),
            *lines_of([match(2, product_id="ETH-USD").raw, heartbeat(5).raw, ticker(7).raw, b'{"type":"news","n":1}']),
            *lines_of([b'{\n"type":"news"}', '{"type":"news","text":"ü"}'.encode(), b'["news"]', b'{"type":""}']),
            frame_line(b'{"type":"match","product_id":5}', NS, 0),  # in the format of an older version
            b'{"ns":%d,"epoch":0,"frame":{"type":"ticker","x":"\xff"}}\n' % NS,
            b'{"redacted":true,"ns":%d,"epoch":10,"frame":{"type":"error","message":"[redacted]"}}\n' % NS,
            malformed_line(Malformed(b"\xff", "not UTF-8", NS)),
            A_GAP,
            pong_line(NS, 0.5),
            b'{"ns":%d,"unknown":{"to":"this version"}}\n' % NS,
        ]
    ),
    max_size=40,
)
OPERATORS: dict[str, list[Any]] = {
    "all": [],
    "trades": [matches()],
    "trades of one": [matches("ETH-USD")],
    "what is not there": [level2()],
    "most": [select([Match, ExchangeTicker, ExchangeHeartbeat])],
}


@settings(max_examples=amount(40, thorough=300), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES, st.sampled_from(list(OPERATORS)), st.sampled_from([None, "ETH-USD"]), st.booleans())
@example([frame_line(b'{"type":"match","product_id":5}', NS, 0)], "what is not there", None, False)
def test_chunked_replay_equals_replay_line_by_line(
    tmp_path: Path, lines: list[bytes], wanted: str, product: str | None, paced: bool
) -> None:
    decode = ExchangeDecoder().decode
    messages: list[Message] = []
    size = malformed = 0
    for line in map(decode_line, lines):
        raw = line.raw() if line.has_frame else b""
        message = decode(raw)
        if raw and (line.malformed or isinstance(message, Malformed)):
            malformed += 1
        elif raw and isinstance(message, Message) and product in (None, message.product_id or product):
            messages.append(stamp(message, Origin(raw, line.ns, line.epoch)))
            size += len(raw)
    write(tmp_path, lines)
    replay = Replay(tmp_path, products=product, speed=1e9 if paced else None)
    got = Collected(replay.pipe(*OPERATORS[wanted]))
    others = Collected(replay.malformed), Collected(replay.status), Collected(replay.keepalive)
    replay.serve()
    kept = Collected(reactivex.from_iterable(messages).pipe(*OPERATORS[wanted]))
    assert got.items == kept.items
    assert [m.raw for m in got.items] == [m.raw for m in kept.items]
    assert replay.stats.types == Counter(map(type, messages))
    assert (replay.stats.bytes, replay.stats.malformed, len(others[0].items)) == (size, malformed, malformed)
    assert [type(each) for each in others[1].items[1:]] == [
        *[Gap] * (lines.count(A_GAP) if product is None else 0),
        Ended,
    ]
    assert len(others[2].items) == lines.count(pong_line(NS, 0.5))


@pytest.mark.parametrize("odd", [b'"epoch":0,"connection":1,', b'"epoch":10,'])
def test_replay_counts_the_bytes_of_frames_in_lines_that_begin_differently(tmp_path: Path, odd: bytes) -> None:
    """Sizes of lines without a subscriber are computed together, where their beginnings are equal."""
    frames = [ticker(9, time=number).raw for number in range(30)]
    lines = lines_of(frames)
    lines[7] = lines[7].replace(b'"epoch":0,', odd)
    write(tmp_path, lines)
    replay = Replay(tmp_path)
    replay.pipe(trades()).subscribe()
    replay.serve()
    assert (replay.stats.frames, replay.stats.bytes) == (30, sum(map(len, frames)))
