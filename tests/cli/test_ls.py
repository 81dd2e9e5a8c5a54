"""`rxfeed ls`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rxfeed.cli import main
from rxfeed.errors import ConnectionLost
from rxfeed.feed import Connected, Connecting, Disconnected, Gap, Subscribed
from rxfeed.market import ChannelSubscription, Malformed
from rxfeed.recording.events import status_line
from rxfeed.recording.format import frame_line, malformed_line
from rxfeed.recording.timestamps import moment_of
from tests.support.segments import NS, write

SECOND = 10**9


def lines(*products: str) -> list[bytes]:
    channels = (ChannelSubscription("ticker", products),)
    said = [status_line(Connected(url="ws://there", at=moment_of(NS)))]
    said.append(status_line(Subscribed(channels=channels, at=moment_of(NS))))
    for number in range(1200):
        raw = b'{"type":"ticker","sequence":%d,"product_id":"%s","price":"1"}'
        product = products[number % len(products)].encode()
        said.append(frame_line(raw % (number, product), NS + number * SECOND // 2, 0))
        if number == 500:
            said.append(status_line(Gap(product_id=products[0], channel="ticker", first=3, last=1502)))
            said.append(malformed_line(Malformed(b"", "no", NS + 250 * SECOND)))
            said.append(status_line(Disconnected(cause=ConnectionLost("gone"), at=moment_of(NS + 250 * SECOND))))
            said.append(status_line(Connected(url="ws://there", at=moment_of(NS + 325 * SECOND))))
    return said


def test_ls_shows_a_session_as_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, lines("BTC-USD", "A-B"))
    assert main(["ls", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    told = out.splitlines()
    size = told.pop(1)
    assert size.startswith("  files       1   ")
    assert "unpacked 134." in size
    assert told == [
        "session 5f0c2b7a",
        "  received    2026-01-02 12:00:00.000 to 2026-01-02 12:09:59.500 UTC (0:10:00)",
        "  channels    ticker",
        "  gaps        1 (1,500 numbers missed)",
        "  offline     0:01:15 in all, 1 time, 0:01:15 at most",
        "  malformed   1",
        "  messages    1,200: ticker 1,200",
        "",
        "  product  messages  first (UTC)              last (UTC)",
        "  A-B           600  2026-01-02 12:00:00.500  2026-01-02 12:09:59.500",
        "  BTC-USD       600  2026-01-02 12:00:00.000  2026-01-02 12:09:59.000",
        "",
        "1 file, nothing damaged",
    ]


def test_ls_totals_sessions_and_reports_overlap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, lines("BTC-USD"), session="aaaaaaaa")
    write(tmp_path, lines("BTC-USD"), session="bbbbbbbb", ns=NS + SECOND)
    assert main(["ls", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.startswith(("session", "total", "Sessions"))] == [
        "session aaaaaaaa",
        "session bbbbbbbb",
        "total of 2 sessions",
        "Sessions overlap: Replay(..., merge=True) plays them as one.",
    ]
    assert "  BTC-USD     2,400  2026-01-02 12:00:00.000" in out


def test_ls_reports_damage_with_its_place_and_exits_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, lines("BTC-USD")[:10], ended=False)
    assert main(["ls", str(tmp_path)]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[-3:-1] == ["damaged in 1 of 1 files", f"  {path}"]
    assert told[-1].startswith("    from line 12 (byte ")
    assert "still being written" in told[-1]


def test_ls_json_is_complete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, lines("BTC-USD"))
    assert main(["ls", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (session,) = found["sessions"]
    assert session["session"] == "5f0c2b7a"
    assert session["by_type"] == {"ticker": 1200}
    assert found["total"]["products"]["BTC-USD"]["messages"] == 1200
    assert found["total"]["offline"] == [{"first": "2026-01-02T12:04:10Z", "last": "2026-01-02T12:05:25Z"}]


def test_ls_shows_a_file_of_another_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "plain\x1b[2J.jsonl"
    path.write_text('{"type":"ticker","sequence":1,"product_id":"A-B","price":"1","time":"2026-01-02T12:00:00Z"}\n')
    assert main(["ls", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"session {tmp_path}/plain?[2J.jsonl\n")
    assert "  channels    not told\n" in out


def test_ls_of_a_missing_folder_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "/nowhere"]) == 2
    assert capsys.readouterr().err == "rxfeed ls: source: '/nowhere' does not exist\n"


def test_ls_counts_sessions_that_never_connected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed = [status_line(Connecting(url="ws://there", attempt=n, at=moment_of(NS + n * SECOND))) for n in (1, 2)]
    write(tmp_path, failed, session="aaaaaaaa")
    write(tmp_path, lines("BTC-USD"), session="bbbbbbbb", ns=NS + 100 * SECOND)
    assert main(["ls", str(tmp_path)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert "  offline     always: 2 attempts and no connection" in told
    assert "1 of 2 sessions never connected" in told
