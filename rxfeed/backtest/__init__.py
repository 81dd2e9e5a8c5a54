"""Paper trading: a strategy's orders in a recorded or live market, with latency, queue positions and fees."""

from rxfeed.backtest.events import PaperDone, PaperEvent, PaperFill, PaperOpen
from rxfeed.backtest.market import PaperMarket

__all__ = ["PaperDone", "PaperEvent", "PaperFill", "PaperMarket", "PaperOpen"]
