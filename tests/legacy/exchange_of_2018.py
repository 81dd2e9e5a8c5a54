"""The exchange as it was in 2018: everything without channels, and `level2` and `full` without keys.

Today's exchange refuses both, so that scripts which rely on them run on the wheel only against this one.
"""

from __future__ import annotations

import json
from dataclasses import replace

from rxfeed.sim.coinbase_exchange import VENUE
from rxfeed.sim.coinbase_exchange.protocol import ExchangeProtocol
from rxfeed.sim.coinbase_exchange.subscriptions import ExchangeChannel, ExchangeSubscriber, SubscriptionReplies
from rxfeed.sim.frames import parse

_EVERYTHING = ["full", "ticker", "heartbeat"]


class _Subscriber(ExchangeSubscriber):
    def receive(self, text: str | bytes) -> SubscriptionReplies:
        request = parse(text)
        if isinstance(request, dict) and request.get("channels") is None:
            text = json.dumps({**request, "channels": _EVERYTHING})
        return super().receive(text)

    def _subscribe(self, channel: ExchangeChannel, own: dict, request: dict, signed: bool, reasons: list[str]) -> bool:
        return super()._subscribe(channel, own, request, True, reasons)


class _Protocol(ExchangeProtocol):
    subscriber = _Subscriber


NAME = "coinbase_exchange_2018"
EXCHANGE_OF_2018 = replace(VENUE, name=NAME, protocol=_Protocol)
