"""`watch` and `record` on another venue."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rxfeed.cli import main
from rxfeed.recording import catalogue
from rxfeed.sim import Exchange
from tests.venues.coinbase_advanced.wire import BTC, Venue, ack, after, book, heartbeat, trade, trades

FRAMES = [
    trades(0, trade(1, 1), kind="snapshot"),
    book(1, ("bid", "10", "1"), ("offer", "11", "2"), kind="snapshot"),
    ack(2, market_trades=[BTC], level2=[BTC], heartbeats=["heartbeats"]),
    trades(3, trade(2, 2), trade(3, 3, side="BUY")),
    book(4, ("bid", "10", "0.5")),
    heartbeat(6),
]
OPTIONS = ["--venue", "coinbase_advanced", "--channel", "trades", "--channel", "book"]


def test_watch_prints_the_messages_of_another_venue(capsys: pytest.CaptureFixture[str]) -> None:
    with Venue(after(2, FRAMES)) as venue:
        assert main(["watch", BTC, *OPTIONS, "--url", venue.url, "--count", "6"]) == 0
    out, err = capsys.readouterr()
    assert [" ".join(line.split()[1:]) for line in out.splitlines()] == [
        f"{BTC} prior_trade 10.5 1 buy trade 1",
        f"{BTC} l2_snapshot 1 bids, 1 asks 10/11",
        f"{BTC} market_trade 10.5 1 buy trade 2",
        f"{BTC} market_trade 10.5 1 sell trade 3",
        f"{BTC} l2_update buy 10 0.5",
        "- heartbeat heartbeat_counter 7",
    ]
    assert "missed 5 to 5 of the connection on sequence_num" in err
    assert f"subscribed to market_trades ({BTC}), level2 ({BTC}), heartbeats (all)" in err


def test_watch_prints_a_frame_of_several_messages_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Venue(after(2, FRAMES)) as venue:
        assert main(["watch", BTC, *OPTIONS, "--json", "--url", venue.url, "--count", "5"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["sequence_num"] for each in lines] == [0, 1, 3, 4]


def test_record_records_another_venue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Venue(after(2, FRAMES)) as venue:
        assert main(["record", BTC, *OPTIONS, "--url", venue.url, "--to", str(tmp_path), "--seconds", "3"]) == 3
    assert catalogue(tmp_path).total.by_type["market_trade"] == 2
    assert main(["ls", str(tmp_path)]) == 0
    assert "market_trade" in capsys.readouterr().out


def test_credentials_of_the_venue_are_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("COINBASE_API_KEY", "COINBASE_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    assert main(["watch", BTC, *OPTIONS, "--auth"]) == 2
    assert "COINBASE_API_KEY and COINBASE_API_SECRET are not set" in capsys.readouterr().err


def test_refused_channel_of_an_account_names_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    with Exchange([BTC], venue="coinbase_advanced", auto=False) as exchange:
        options = ["--venue", "coinbase_advanced", "--channel", "user", "--url", exchange.url]
        assert main(["watch", BTC, *options, "--seconds", "20"]) == 1
    assert "give --auth and credentials in the environment, or a --channel without a key, such as level2\n" in (
        capsys.readouterr().err
    )
