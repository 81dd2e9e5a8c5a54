"""Secrets are in no recording, also if the exchange repeats them."""

from __future__ import annotations

import json
import re
from pathlib import Path

from reactivex.subject import Subject

from rxfeed import Credentials, Feed, Message, record
from rxfeed.sim import Exchange
from tests.support.collect import Collected
from tests.support.recordings import lines_of, recorded, segments, text_of
from tests.support.scenes import wait_until
from tests.support.sources import message
from tests.support.wire import Wire, WireServer, close_frame, frame

KEY = Credentials("the-api-key", "c2VjcmV0L29mL21pbmU+Pg==", "open/sesame")


def _echo(wire: Wire) -> None:
    """Repeat the client's request in every possible form."""
    wire.shake()
    said = json.loads(wire.recv_frame()[1])
    text = json.dumps(said)
    wire.send(frame(json.dumps({"type": "error", "message": "Failed", "reason": text})))
    wire.send(frame(json.dumps({"type": "error", "message": text.replace("/", "\\/"), "was": said})))
    wire.send(
        frame('{"type":"error","message":"' + "".join(f"\\u{ord(each):04x}" for each in KEY.secret.reveal()) + '"}')
    )
    wire.send(frame(json.dumps({"type": "denied", "your": said})))
    wire.send(frame(json.dumps({"type": "subscriptions", "channels": [{"name": said["key"]}]})))
    wire.send(frame(f"no JSON: {text}"))
    wire.send(frame(json.dumps({"type": "ticker", "sequence": said["passphrase"]}).replace("/", "\\/")))
    wire.send(frame(f"no text: {said['signature']} ".encode() + b"\xff"))
    wire.send(frame(json.dumps({"type": "error", "message": "Authentication Failed", "reason": text})))
    wire.until_gone()


def test_credentials_repeated_by_the_exchange_are_redacted(tmp_path: Path) -> None:
    signatures: list[str] = []

    def play(wire: Wire) -> None:
        _echo(wire)

    with WireServer(play) as server:
        feed = Feed("A-B", "ticker", url=server.url, credentials=KEY)
        seen = Collected(feed)
        unreadable = Collected(feed.malformed)
        recorded(feed, record(tmp_path))
    for item in (*seen.items, *unreadable.items):
        signatures += re.findall(r'"signature": "([^"]+)"', item.raw.decode(errors="replace"))
    assert signatures  # the frames themselves are unchanged
    (path,) = segments(tmp_path)
    content = text_of(path).decode()
    for secret in (KEY.key, KEY.secret.reveal(), KEY.passphrase.reveal(), *signatures):
        for text in (secret, secret.replace("/", "\\/"), secret.replace("/", "\\\\/")):
            assert text not in content
    lines = lines_of(path)
    frames = [line for line in lines if "frame" in line or "malformed" in line]
    assert len(frames) == 9
    assert all(line["redacted"] for line in frames)
    assert frames[0]["frame"]["type"] == "error"
    assert frames[0]["frame"]["reason"].count("[redacted]") == 3
    assert frames[3]["frame"]["your"]["key"] == "[redacted]"
    rejected = [line for line in lines if line.get("status", {}).get("type") == "Rejected"]
    assert len(rejected) == 4
    assert "[redacted]" in rejected[0]["status"]["reason"]
    ended = next(line for line in lines if line.get("status", {}).get("type") == "Ended")
    assert "Authentication Failed" in ended["status"]["cause"]["text"]
    assert "[redacted]" in ended["status"]["cause"]["text"]


def test_credentials_in_a_close_reason_are_redacted(tmp_path: Path) -> None:
    def play(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(close_frame(1008, f"{KEY.key} is {KEY.passphrase.reveal()}"))
        wire.until_gone()

    with WireServer(play) as server:
        recorded(Feed("A-B", "ticker", url=server.url, credentials=KEY, reconnect=False), record(tmp_path))
    (path,) = segments(tmp_path)
    assert KEY.passphrase.reveal() not in text_of(path).decode()
    closed = [line["status"] for line in lines_of(path) if "cause" in line.get("status", {})]
    assert [status["type"] for status in closed] == ["Disconnected", "Ended"]
    assert closed[0]["cause"]["reason"] == "[redacted] is [redacted]"


def test_market_data_is_recorded_unchanged(tmp_path: Path) -> None:
    raw = f'{{"type":"ticker","sequence":1,"product_id":"{KEY.key}","price":"1.50"}}'
    with Exchange.serving([raw, '{"type":"error","message":"Failed to subscribe"}']) as exchange:
        feed = Feed("A-B", "ticker", url=exchange.url, credentials=KEY)
        got = Collected(feed.pipe(record(tmp_path)))
        with feed:
            wait_until(lambda: feed.stats.messages == 2)
        got.wait_for_end()
    held = [line for line in lines_of(segments(tmp_path)[0]) if "frame" in line]
    assert held[0]["frame"] == json.loads(raw)
    assert held[1]["frame"] == {"type": "error", "message": "Failed to subscribe"}
    assert not any("redacted" in line for line in held)


def test_error_behind_an_operator_is_recorded_without_texts(tmp_path: Path) -> None:
    source: Subject[Message] = Subject()
    recorder = record(tmp_path)
    source.pipe(recorder).subscribe()
    source.on_next(
        message(json.dumps({"type": "error", "message": "bad", "code": 4, "said": [KEY.secret.reveal()]}), 5)
    )
    recorder.close()
    assert lines_of(segments(tmp_path)[0])[1] == {
        "redacted": True,
        "ns": 5,
        "epoch": 0,
        "frame": {"type": "error", "message": "[redacted]", "code": 4, "said": ["[redacted]"]},
    }
