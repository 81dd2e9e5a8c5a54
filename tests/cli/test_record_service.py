"""`rxfeed record` under a service manager: quiet, notified, ended by SIGTERM; and with MongoDB beside the files."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import pty
import re
import signal
import socket
import subprocess
import termios
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymongo
import pytest

from rxfeed.cli.logs import TextFormatter
from rxfeed.metrics import read_scrape
from rxfeed.recording import mark_segments
from rxfeed.sim import Exchange
from rxfeed.sim.mongod import Mongod
from tests.sinks.servers import needs_mongod, until
from tests.support.recordings import frames_in, segments, text_of

Start = Callable[..., "subprocess.Popen[str]"]


def test_recorder_is_a_service(start: Start, tmp_path: Path) -> None:
    """READY, STATUS and WATCHDOG are sent; SIGHUP begins a file; SIGTERM ends it within 5 s; only logs are written."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, Exchange(["BTC-USD"], rate=500) as exchange:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000", "INVOCATION_ID": "x"}
        folder = tmp_path / "to"
        args = ("record", "BTC-USD", "--url", exchange.url, "--to", str(folder), "--flush-seconds", "0.05")
        process = start(*args, "--log-format", "json", env=env)
        states: list[str] = []

        def wait_for(text: str) -> None:
            while not states or text not in states[-1]:
                states.append(manager.recv(4096).decode())

        wait_for("STATUS=recording: ")
        wait_for("WATCHDOG=1")
        assert states[0] == "READY=1"
        until(lambda: any(b'"frame"' in text_of(path) for path in segments(folder)))
        process.send_signal(signal.SIGHUP)
        until(lambda: len(segments(folder)) == 2)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        assert time.monotonic() - began < 5
        wait_for("STOPPING=1")
    assert (process.returncode, out) == (0, "")
    lines = [json.loads(line) for line in err.splitlines()]
    assert {frozenset(line) for line in lines} == {frozenset(("time", "level", "logger", "message"))}
    assert [line["message"] for line in lines[1:2]] == ["connected"]
    assert lines[-1]["level"] == "info"
    assert f"All received frames are recorded. {len(frames_in(folder)):,} frames received" in lines[-1]["message"]


def test_recorder_without_a_server_ends_within_seconds(start: Start, tmp_path: Path) -> None:
    """While it waits for the first connection, a stop is prompt, and leaves no file."""
    process = start("record", "BTC-USD", "--url", "ws://127.0.0.1:9", "--to", str(tmp_path / "to"))
    assert process.stderr is not None
    while "not connected" not in process.stderr.readline():
        pass
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 1
    assert time.monotonic() - began < 5
    assert not (tmp_path / "to").exists()


def test_recorder_keeps_what_is_not_exported(start: Start, tmp_path: Path) -> None:
    with Exchange(["BTC-USD"], rate=1000) as exchange:
        args = ("record", "BTC-USD", "--url", exchange.url, "--to", str(tmp_path), "--flush-seconds", "0.02")
        limits = ("--segment-mb", "0.001", "--keep-bytes", "1kB", "--after", "export")
        process = start(*args, *limits)
        assert process.stderr is not None
        while "WARNING" not in (line := process.stderr.readline()):
            pass
        assert "are over the limits and are kept until they are exported" in line
        until(lambda: len(segments(tmp_path)) > 3)
        first, second, *_ = segments(tmp_path)
        mark_segments(tmp_path, "exported", [second])
        until(lambda: not second.exists())
        assert first.exists()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert f"INFO    deleted {second}, which is over the limits" in err


@needs_mongod
def test_recorder_stores_in_mongo_and_spills_beside_the_files(start: Start, tmp_path: Path) -> None:
    """The database is gone for the first run; the second drains the spill. Every recorded trade is stored once."""
    url_file = tmp_path / "url"
    folder = tmp_path / "to"
    with Mongod() as server, Exchange(["BTC-USD"], rate=500) as exchange:
        url_file.write_text(server.uri)
        args = ("record", "BTC-USD", "--channel", "matches", "--url", exchange.url, "--to", str(folder))
        server.kill()
        for available in (False, True):
            if available:
                server.start()
            before = len(segments(folder))
            process = start(*args, "--mongo-file", str(url_file), "--sync", "0.05")

            def has_trades(before: int = before) -> bool:
                return any(text_of(path).count(b'"match"') > 20 for path in segments(folder)[before:])

            until(has_trades)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=30)
            assert time.monotonic() - began < 5
            assert process.returncode == 0, err
            (waiting,) = re.findall(rf"([\d,]+) wait in {folder}/mongo.spill", out)
            assert (waiting == "0") == available
        with pymongo.MongoClient[Any](server.uri) as client:
            stored = [document["_id"] for document in client.rxfeed.messages.find({"type": "match"})]
            trades = [each["trade_id"] for each in client.rxfeed.messages.find({"type": "match"})]
    recorded = [frame["trade_id"] for frame in frames_in(folder) if frame["type"] == "match"]
    assert sorted(trades) == sorted(recorded)
    assert len(set(stored)) == len(stored)


@pytest.mark.parametrize("priorities", [False, True])
def test_text_line_has_time_level_and_priority(priorities: bool) -> None:
    record = logging.LogRecord("rxfeed.x", logging.WARNING, "x", 1, "a %s\nb", ("c",), None)
    record.created = 1_790_000_000.25
    expected = "2026-09-21T14:13:20.250Z WARNING a c\nb"
    text = TextFormatter(priorities=priorities).format(record)
    assert text == ("<4>" + expected.replace("\n", "\n<4>") if priorities else expected)


def test_hangup_ends_a_recorder_of_a_terminal(start: Start, tmp_path: Path) -> None:
    """Its terminal was closed; without a terminal SIGHUP begins a file."""
    terminal, inner = pty.openpty()
    streams = {"stdin": inner, "stdout": inner, "stderr": inner}
    with Exchange(["BTC-USD"], rate=100) as exchange:
        process = start(
            *("record", "BTC-USD", "--url", exchange.url, "--to", str(tmp_path)),
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            **streams,
        )
        os.close(inner)
        shown = b""
        while b"subscribed" not in shown:
            shown += os.read(terminal, 4096)
        process.send_signal(signal.SIGHUP)
        with contextlib.suppress(OSError):  # the other end is closed
            while piece := os.read(terminal, 4096):
                shown += piece
        os.close(terminal)
        assert process.wait(30) == 0
    assert b"All received frames are recorded." in shown


def test_recorder_serves_metrics(start: Start, tmp_path: Path) -> None:
    """Of the feed and the files, at the address of the configuration."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Exchange(["BTC-USD"], rate=500) as exchange:
        config = tmp_path / "record.toml"
        config.write_text(f'products = ["BTC-USD"]\nurl = "{exchange.url}"\nmetrics = ":{port}"\n')
        process = start("record", "--config", str(config), "--to", str(tmp_path / "to"), "--flush-seconds", "0.05")

        def recorded() -> bool:
            with contextlib.suppress(OSError):
                scrape = read_scrape(
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
                )
                counts = scrape.by("rxfeed_messages_total", "product")
                return counts.get(("BTC-USD",), 0) > 10 and scrape.total("rxfeed_recorder_frames_total") > 10
            return False

        until(recorded)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert f"metrics at http://127.0.0.1:{port}/metrics" in err


def test_recorder_refuses_a_metrics_port_in_use(start: Start, tmp_path: Path) -> None:
    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen()
        port = used.getsockname()[1]
        process = start(
            "record", "BTC-USD", "--url", "ws://127.0.0.1:9", "--to", str(tmp_path), "--metrics", f":{port}"
        )
        _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert f"127.0.0.1:{port} cannot be served" in err
