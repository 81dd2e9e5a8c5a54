"""Makers of messages, for tests of your own pipelines and machines, and for examples.

    from rxfeed import Replay, window_volume
    from rxfeed.testing import heartbeat, trade

    def test_volume_of_a_minute():
        replay = Replay([trade(100, "0.5", time="12:00:10"), heartbeat(60)])
        (window,) = replay.collect(window_volume(60))
        assert str(window.volume) == "0.5"

Every argument has a default, and every message is valid. `rxfeed.sim` has a whole exchange for tests of a program.
"""

from rxfeed.testing.messages import (
    NOON,
    book,
    book_update,
    heartbeat,
    order_done,
    order_opened,
    prior_trade,
    ticker,
    trade,
)

__all__ = [
    "NOON",
    "book",
    "book_update",
    "heartbeat",
    "order_done",
    "order_opened",
    "prior_trade",
    "ticker",
    "trade",
]
