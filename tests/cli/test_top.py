"""`rxfeed top`: its rows, its keys, its screen, and the terminal that it leaves."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rich.console import Console

from rxfeed import Feed
from rxfeed.cli.top_screen import picture
from rxfeed.cli.top_state import Controls, History, ProductRow, StageRow, TopReading, VenueRow
from rxfeed.metrics import MetricsServer, read_scrape, serve
from rxfeed.sim import Exchange

Start = Callable[..., "subprocess.Popen[str]"]
LEAVES_SCREEN, SHOWS_CURSOR = b"\x1b[?1049l", b"\x1b[?25h"


def text_of(messages: int, gaps: int, lags: tuple[int, int]) -> str:
    labels = 'venue="v",product="A-B"'
    return f"""\
# TYPE rxfeed_messages counter
rxfeed_messages_total{{{labels},type="match"}} {messages}
# TYPE rxfeed_frames counter
rxfeed_frames_total{{venue="v"}} {messages}
# TYPE rxfeed_gaps counter
rxfeed_gaps_total{{{labels}}} {gaps}
# TYPE rxfeed_best_bid gauge
rxfeed_best_bid{{{labels}}} 99
# TYPE rxfeed_best_ask gauge
rxfeed_best_ask{{{labels}}} 101.5
# TYPE rxfeed_connection_state gauge
rxfeed_connection_state{{venue="v",state="idle"}} 0
rxfeed_connection_state{{venue="v",state="subscribed"}} 1
# TYPE rxfeed_event_lag_seconds histogram
rxfeed_event_lag_seconds_bucket{{{labels},le="0.1"}} {lags[0]}
rxfeed_event_lag_seconds_bucket{{{labels},le="0.2"}} {lags[1]}
rxfeed_event_lag_seconds_bucket{{{labels},le="+Inf"}} {lags[1]}
rxfeed_event_lag_seconds_count{{{labels}}} {lags[1]}
rxfeed_event_lag_seconds_sum{{{labels}}} 1
"""


def test_rows_are_the_difference_of_two_scrapes() -> None:
    history = History()
    history.add(read_scrape(text_of(100, 0, (50, 100))), 10.0)
    reading = history.add(read_scrape(text_of(120, 2, (50, 200))), 14.0)
    (row,) = reading.products
    assert row == ProductRow("v", "A-B", 5.0, None, 2.5, row.p50, row.p99, 2, None)
    assert (row.p50, row.p99) == (pytest.approx(0.15), pytest.approx(0.199))
    (venue,) = reading.venues
    assert (venue.state, venue.rate, venue.gaps) == ("subscribed", 5.0, 2)


def test_rows_after_a_restart_of_the_process_have_no_negative_rate() -> None:
    history = History()
    history.add(read_scrape(text_of(100, 3, (50, 100))), 10.0)
    reading = history.add(read_scrape(text_of(7, 0, (1, 2))), 14.0)
    assert reading.products[0].rate == 0
    assert reading.products[0].p50 == pytest.approx(0.1)


def row(product: str, rate: float, p99: float | None = None, venue: str = "coinbase_exchange") -> ProductRow:
    return ProductRow(venue, product, rate, 59_984.58, 0.01, p99, p99, 0, True)


def test_keys_sort_filter_and_quit() -> None:
    controls = Controls()
    rows = [row("ETH-USD", 1, 0.2), row("BTC-USD", 5), row("ADA-EUR", 3, 0.4)]

    def shown() -> str:
        return " ".join(each.product[:3] for each in controls.chosen(rows))

    assert shown() == "BTC ADA ETH"
    controls.press("r")
    assert shown() == "ETH ADA BTC"
    for _ in range(2):
        controls.press("s")
    assert shown() == "ADA ETH BTC"  # by p99, and those without one are last
    for key in ("/", "q", "u", "backspace", "backspace", "u", "s", "enter"):
        controls.press(key)
    assert (controls.filter, controls.over) == ("us", False)
    assert shown() == "ETH BTC"
    controls.press("escape")
    assert shown() == "ADA ETH BTC"
    controls.press("q")
    assert controls.over


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_screen_fits_its_terminal(size: tuple[int, int]) -> None:
    width, height = size
    reading = TopReading(
        [VenueRow("coinbase_exchange", "subscribed", 5000.0, 1.5e6, 3, 2, 1, 4, 0.5, 0.002)],
        [row(f"PRODUCT{number}-USD", number, 0.123) for number in range(100)],
        [StageRow("record", 60_000, 100_000, 0, "5,000,000 frames, 5,000/s, 1.2 GB, 0 lost, 70 GB free"), *stages(5)],
        ["messages -> trades 20/s -> map 20/s"],
    )
    controls = Controls()
    controls.press("p")
    console = Console(width=width, height=height, file=io.StringIO(), color_system=None)
    console.print(picture(reading, controls, "http://127.0.0.1:9109/metrics", "a warning " * 30, width, height))
    text = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    lines = text.rstrip("\n").split("\n")
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    for shown in ("PRODUCT99-USD", "99.0/s", "59,984.58", "123 ms", "ready", "gaps 2", "reconnects 3", "queue 60,000"):
        assert shown in text, shown
    assert f"{100 - text.count('-USD ')} more" in text
    assert "q quit" in lines[-1]
    assert "map 20/s" in text
    assert not lines[1].endswith("…"), "a number that is cut would be another one"
    assert ("backlog 0.5 s" in lines[1], "delivery p99" in lines[1]) == (True, width == 200)


def stages(count: int) -> list[StageRow]:
    return [StageRow(f"stage{number}", 1, 2, 3, "") for number in range(count)]


# ---- the command


@pytest.fixture
def endpoint() -> Iterator[MetricsServer]:
    with Exchange(["BTC-USD", "ETH-USD"], rate=300) as exchange:
        feed = Feed(["BTC-USD", "ETH-USD"], ["ticker", "trades"], url=exchange.url)
        feed.subscribe(lambda message: None)
        with serve(feed, port=0, sample_seconds=0.05) as server, feed:
            yield server


class Terminal:
    """A terminal of *width* and *height* for a process."""

    def __init__(self, start: Start, *args: str, width: int = 80, height: int = 24) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.before = termios.tcgetattr(slave)
        self._slave = slave
        self.process = start(
            *args, stdin=slave, stdout=slave, stderr=slave, encoding=None, env={"TERM": "xterm-256color"}
        )
        self.output = b""

    def wait_for(self, text: bytes) -> None:
        deadline = time.monotonic() + 45
        while text not in self.output:
            assert time.monotonic() < deadline, self.output
            if select.select([self._master], [], [], 0.1)[0]:
                self.output += os.read(self._master, 65_536)

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def end(self) -> int:
        """The exit status; the terminal is as it was."""
        self.wait_for(LEAVES_SCREEN)
        status = self.process.wait(45)
        self.wait_for(SHOWS_CURSOR)
        assert termios.tcgetattr(self._slave) == self.before
        os.close(self._slave)
        os.close(self._master)
        return status


def test_top_shows_a_process_and_leaves_the_terminal_as_it_was(start: Start, endpoint: MetricsServer) -> None:
    terminal = Terminal(start, "top", "--metrics", endpoint.url, "--interval", "0.2")
    terminal.wait_for(b"subscribed")
    terminal.wait_for(b"BTC-USD")
    terminal.press(b"/zzz")
    terminal.wait_for(b"no product matches")
    terminal.press(b"\x1bq")  # of a slow process, one read has both
    assert terminal.end() == 0


def test_top_leaves_the_terminal_at_a_signal(start: Start, endpoint: MetricsServer) -> None:
    terminal = Terminal(start, "top", "--metrics", endpoint.url)
    terminal.wait_for(b"subscribed")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 0


def test_top_shows_that_the_process_is_gone(start: Start, endpoint: MetricsServer) -> None:
    terminal = Terminal(start, "top", "--metrics", endpoint.url, "--interval", "0.2")
    terminal.wait_for(b"subscribed")
    endpoint.close()
    terminal.wait_for(b"cannot be read")
    terminal.press(b"q")
    assert terminal.end() == 0


def test_top_leaves_the_terminal_at_an_exception(
    monkeypatch: pytest.MonkeyPatch, endpoint: MetricsServer, capfd: Any
) -> None:
    from rxfeed.cli import main, top

    def fail(*args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(top, "picture", fail)
    monkeypatch.setattr(top, "is_screen", lambda: True)
    monkeypatch.setattr(top, "console", lambda: Console(force_terminal=True, width=80, height=24))
    with pytest.raises(ZeroDivisionError):
        main(["top", "--metrics", endpoint.url])
    out = capfd.readouterr().out
    assert out.endswith((LEAVES_SCREEN + SHOWS_CURSOR).decode()) or LEAVES_SCREEN.decode() in out


@pytest.mark.parametrize("venue", ["coinbase_exchange", "coinbase_advanced"])
def test_top_of_a_feed_of_its_own_prints_a_table_without_a_terminal(venue: str, start: Start) -> None:
    with Exchange(["BTC-USD", "ETH-USD"], venue=venue, rate=300) as exchange:
        process = start("top", "BTC-USD", "ETH-USD", "--url", exchange.url, "--venue", venue)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert f"{venue} subscribed" in out
    (line,) = (line for line in out.splitlines() if line.startswith("BTC-USD"))
    assert "/s" in line
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("args", "status", "text"),
    [
        (("--metrics", "127.0.0.1:9"), 1, "http://127.0.0.1:9/metrics cannot be read"),
        (("--metrics", "ftp://host"), 2, "is not the URL of a metrics endpoint"),
        ((), 2, "give either products or --metrics URL"),
        (("BTC-USD", "--metrics", ":1"), 2, "give either products or --metrics URL"),
    ],
)
def test_top_reports_what_it_cannot_show(args: tuple[str, ...], status: int, text: str, capsys: Any) -> None:
    from rxfeed.cli import main

    try:
        result = main(["top", *args])
    except SystemExit as error:
        result = error.code
    assert result == status
    assert text in capsys.readouterr().err
