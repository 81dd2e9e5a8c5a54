"""`rxfeed record` over several connections."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from rxfeed.cli import main
from rxfeed.sim import Exchange, faults
from tests.support.connections import VENUES, until
from tests.support.recordings import segments, text_of


def recorded(exchange: Exchange, to: Path, act: Callable[[], object], *more: str, seconds: float = 1.5) -> int:
    """The exit status of a recording, during which *act* is called on another thread."""
    acting = threading.Thread(target=act)
    args = ["record", "BTC-USD", "--url", exchange.url, "--to", str(to)]
    acting.start()
    try:
        return main([*args, "--seconds", str(seconds), *more])
    finally:
        acting.join()


def has_sent(exchange: Exchange, connections: list[int]) -> bool:
    return all(exchange.sent_to(each).frames > 5 for each in connections)


@pytest.mark.parametrize("venue", VENUES)
def test_loss_of_one_of_two_connections_is_no_loss_of_data(
    venue: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Exchange(["BTC-USD"], venue=venue, rate=300) as exchange:

        def kill_one() -> None:
            exchange.wait_for_clients(2)
            until(lambda: exchange.sent.frames > 15)
            exchange.inject(faults.Reset(connection=exchange.open_connections[0]))

        options = ("--venue", venue, "--channel", "trades", "--redundancy", "2")
        assert recorded(exchange, tmp_path, kill_one, *options) == 0
    out = capsys.readouterr().out
    assert "reconnects                1   nothing was interrupted" in out
    assert "Some data may be missing" not in out


def test_loss_of_both_connections_may_be_a_loss_of_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Exchange(["BTC-USD"], rate=300) as exchange:

        def kill_both() -> None:
            exchange.wait_for_clients(2)
            until(lambda: exchange.sent.frames > 15)
            exchange.inject(faults.Refuse(0.2))
            exchange.disconnect(1011)

        assert recorded(exchange, tmp_path, kill_both, "--channel", "ticker", "--redundancy", "2") == 3
    assert "Some data may be missing" in capsys.readouterr().out


def test_loss_of_the_connection_of_a_book_interrupts_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Until the book moves to the other connection, its updates are not recorded."""
    with Exchange(["BTC-USD"], rate=300) as exchange:

        def kill_both_in_turn() -> None:
            for number in (1, 2):
                until(lambda: len(exchange.open_connections) == 2)
                until(partial(has_sent, exchange, exchange.open_connections))
                exchange.inject(faults.Reset(connection=number))

        book = ("--channel", "level2_batch", "--redundancy", "2")
        assert recorded(exchange, tmp_path, kill_both_in_turn, *book, seconds=2.5) == 3
    assert "Some data may be missing" in capsys.readouterr().out


def test_recording_renews_its_connection(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Exchange(["BTC-USD"], rate=300) as exchange:
        options = ("--renew-every", str(0.3 / 3600), "--renew-at", "deployments")
        assert recorded(exchange, tmp_path, lambda: None, *options, seconds=2.5) == 0
    out = capsys.readouterr().out
    assert "reconnects                0" in out
    assert any(b'"Renewed"' in text_of(path) for path in segments(tmp_path))


def test_time_that_is_none_is_bad_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["record", "BTC-USD", "--url", "ws://127.0.0.1:1", "--to", str(tmp_path), "--renew-at", "noon"]
    assert main(args) == 2
    assert "renew_at: 'noon' is not a time such as" in capsys.readouterr().err
