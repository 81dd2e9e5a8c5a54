"""The resolver, where no thread can be created: from Python 3.12 on, once the main thread has ended."""

from __future__ import annotations

import threading

import pytest

from rxfeed.transport.connect_attempt import ConnectAttempt
from rxfeed.transport.resolve import resolve


def test_resolve_needs_no_thread_at_the_end_of_the_main_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    addresses = {address[0] for _, address in resolve("localhost", 80, ConnectAttempt(5))}
    assert addresses & {"127.0.0.1", "::1"}
