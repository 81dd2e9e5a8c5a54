"""Failures that are retried, although they look final: clocks, defects, shortages of the system."""

from __future__ import annotations

import errno
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rxfeed import AuthenticationFailed, ConnectionLost, Credentials
from rxfeed.errors import TimestampRejected
from rxfeed.feed import Disconnected, Reconnecting
from rxfeed.feed.subscription_manager import SubscriptionManager
from tests.support.collect import Collected
from tests.support.scenes import answering, fast_feed, of, scenes, sending, tick
from tests.support.wire import Wire, WireServer, close_frame, frame

# ---- clocks and credentials

EXPIRED = "Sorry, you could not be authenticated: Bad Request", "request timestamp expired"
NO_REASON = "Authentication Failed", None
NO_KEY = "Authentication Failed", '{"message":"Invalid API Key"}'
ACCEPTED = frame('{"type":"subscriptions","channels":[{"name":"user","product_ids":["A-B"]}]}')


def refusing(message: str, reason: str | None) -> bytes:
    return frame(json.dumps({"type": "error", "message": message, "reason": reason}))


@pytest.mark.parametrize(
    ("accepted", "answer"),
    [(True, EXPIRED), (True, NO_REASON), (False, EXPIRED)],
    ids=["skew", "no reason", "at first"],
)
def test_clock_skew_is_retried_with_back_off(
    accepted: bool, answer: tuple[str, str | None], caplog: pytest.LogCaptureFixture
) -> None:
    before = [sending(ACCEPTED + tick(1) + close_frame(1001))] if accepted else []
    refused = sending(refusing(*answer))
    with WireServer(scenes(*before, refused, refused, sending(ACCEPTED + tick(2)))) as server:
        feed = fast_feed(server.url, "user", credentials=Credentials("k", "c2VjcmV0", "p"))
        got, status = Collected(feed), Collected(feed.status)
        with caplog.at_level(logging.WARNING), feed:
            got.wait_for(lambda items: any(getattr(each, "sequence", 0) == 2 for each in items))
    causes = [each.cause for each in of(status, Disconnected)][-2:]
    assert [type(cause) for cause in causes] == [TimestampRejected] * 2
    assert [each.attempt for each in of(status, Reconnecting)][-2:] == [2 + accepted, 3 + accepted]
    assert sum("clock of this machine" in record.getMessage() for record in caplog.records) == 1


def test_rejected_key_ends_a_feed_with_credentials_that_worked() -> None:
    first = sending(ACCEPTED + tick(1) + close_frame(1001))
    with WireServer(scenes(first, sending(refusing(*NO_KEY)))) as server:
        feed = fast_feed(server.url, "user", credentials=Credentials("k", "c2VjcmV0", "p"))
        with pytest.raises(AuthenticationFailed, match="Invalid API Key"):
            feed.run()


def test_unauthorized_handshake_after_a_good_one_is_retried() -> None:
    denied = answering("HTTP/1.1 401 Unauthorized\r\n\r\n")
    with WireServer(scenes(sending(tick(1) + close_frame(1001)), denied, sending(tick(2)))) as server:
        feed = fast_feed(server.url)
        got = Collected(feed)
        with feed:
            got.wait_for(2)


# ---- defects, and a system that is short of something


def test_unexpected_exception_is_logged_and_retried_with_back_off(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Messages before the defect do not reset the back-off."""
    failures = [ZeroDivisionError("a defect"), RuntimeError("another"), KeyError("a third")]
    missing = SubscriptionManager.missing

    def defect(manager: SubscriptionManager, answer: Any) -> Any:
        if failures:
            raise failures.pop(0)
        return missing(manager, answer)

    monkeypatch.setattr(SubscriptionManager, "missing", defect)
    with WireServer(sending(tick(1), ACCEPTED, tick(2))) as server:
        feed = fast_feed(server.url)
        got, status = Collected(feed), Collected(feed.status)
        with caplog.at_level(logging.ERROR), feed:
            got.wait_for(lambda items: any(getattr(each, "sequence", 0) == 2 for each in items))
    assert [type(each.cause) for each in of(status, Disconnected)] == [ZeroDivisionError, RuntimeError, KeyError]
    assert [each.attempt for each in of(status, Reconnecting)] == [2, 3, 4]
    assert all(each.delay >= 1 for each in of(status, Reconnecting))
    assert sum(record.exc_info is not None for record in caplog.records) == 3


def test_unexpected_os_error_is_mapped_and_retried(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [OSError(errno.EMFILE, "Too many open files"), OSError(errno.EIO, "a disk")]
    opening = SubscriptionManager.opening

    def refuse(manager: SubscriptionManager, *arguments: Any) -> Any:
        if failures:
            raise failures.pop(0)
        return opening(manager, *arguments)

    monkeypatch.setattr(SubscriptionManager, "opening", refuse)
    with WireServer(sending(tick(1))) as server:
        feed = fast_feed(server.url)
        got, status = Collected(feed), Collected(feed.status)
        with caplog.at_level(logging.ERROR), feed:
            got.wait_for(1)
    causes = [each.cause for each in of(status, Disconnected)]
    assert [type(cause) for cause in causes] == [ConnectionLost, ConnectionLost]
    assert [type(cause.__cause__) for cause in causes] == [OSError, OSError]
    assert "Too many open files" in str(causes[0])
    assert sum(record.exc_info is not None for record in caplog.records) == 1  # the shortage needs no traceback


OUT_OF_FILES = """
import os, resource, sys
from rxfeed import Feed, Reconnect
from rxfeed.feed import Connected, Disconnected

before = resource.getrlimit(resource.RLIMIT_NOFILE)
spare = []
held = True

def hold_all():
    try:
        while held:
            spare.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass

def watch(status):
    if isinstance(status, Disconnected):
        hold_all()  # also those that the connection had
        print("failed:", status.cause, flush=True)
    elif isinstance(status, Connected):
        print("connected", flush=True)

feed = Feed("A-B", "ticker", url=sys.argv[1], reconnect=Reconnect(initial=0.05, maximum=0.1))
feed.status.subscribe(watch)
with feed:
    sys.stdin.readline()  # connected
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 20, before[1]))
    hold_all()
    print("none left", flush=True)
    sys.stdin.readline()  # it has failed several times
    held = False
    for each in spare:
        os.close(each)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
    sys.stdin.readline()
"""


@contextmanager
def running(url: str) -> Iterator[tuple[subprocess.Popen[str], Callable[[], None], Callable[[], str]]]:
    """The script, a function that lets it proceed, and one that reads its next line."""
    command = [sys.executable, "-c", OUT_OF_FILES, url]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        given, lines = process.stdin, process.stdout
        assert given is not None
        assert lines is not None

        def proceed() -> None:
            given.write("\n")
            given.flush()

        try:
            yield process, proceed, lines.readline
        finally:
            process.kill()


def test_feed_survives_a_lack_of_file_descriptors() -> None:
    drop = threading.Event()

    def first(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(tick(1))
        drop.wait(30)
        wire.send(close_frame(1001, "reconnect"))
        wire.until_closed()

    with WireServer(scenes(first, sending(tick(2)))) as server, running(server.url) as (process, proceed, line):
        assert line() == "connected\n"
        proceed()
        assert line() == "none left\n"
        drop.set()
        said = [line() for _ in range(6)]
        proceed()
        while (last := line()).startswith("failed"):
            pass
        assert last == "connected\n"
        proceed()
        _, errors = process.communicate(timeout=50)
    assert sum("Too many open files" in line for line in said) == 5, said
    assert "Traceback" not in errors
    assert process.returncode == 0
