"""Frames of the Exchange feed with their numbers and times as texts."""

from __future__ import annotations

import msgspec

from rxfeed.market import BookUpdateText, Side, TickerText, TradeText


class MatchText(TradeText, kw_only=True, gc=False, tag="match"):
    """The texts of a `Match`."""

    maker_side: Side = msgspec.field(name="side")


class L2UpdateText(BookUpdateText, kw_only=True, gc=False, tag="l2update"):
    """The texts of an `L2Update`."""


class ExchangeTickerText(TickerText, kw_only=True, gc=False, tag="ticker"):
    """The texts of an `ExchangeTicker`."""


TEXTS = (MatchText, L2UpdateText, ExchangeTickerText)
