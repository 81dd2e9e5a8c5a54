"""From the messages of Advanced Trade to the dicts of the classic client.

Rules:
- Each trade is a `match`, and a `ticker` with the newest best prices: the classic's ticker comes with each trade, too.
- The first frame of a product's trades has the last 100 before the subscription. The newest of them is `last_match`.
- After a loss, updates of a book are dropped until its new snapshot, since the book that they change is not known.
- Each request is answered by itself. The first answers of a connection become one `subscriptions`, as with the classic.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

from rxfeed.compat.advanced import dicts
from rxfeed.compat.advanced.plan import Plan
from rxfeed.compat.types import Content, Hook
from rxfeed.market import ErrorMessage, Message, Subscriptions
from rxfeed.venues.coinbase_advanced import (
    AdvancedL2Snapshot,
    AdvancedL2Update,
    AdvancedStatus,
    AdvancedTicker,
    ConnectionHeartbeat,
    MarketTrade,
    PriorMarketTrade,
)

log = logging.getLogger("rxfeed.compat")

Change = tuple[list[dict[str, object]], list[dict[str, object]]]


class Translator:
    """Makes the dicts of one client, with the channels of *plan*."""

    def __init__(self, plan: Plan, explain: Callable[[str], None]) -> None:
        self._plan = plan
        self._explain = explain
        self._trades: dict[str, MarketTrade | PriorMarketTrade] = {}  # the newest
        self._tickers: dict[str, AdvancedTicker] = {}  # the newest
        self._prior: PriorMarketTrade | None = None  # the newest of a frame that may have more
        self._refused: list[Content] = []  # to be delivered with the next dicts
        self._kinds: dict[type[Message], Hook] = {
            MarketTrade: self._trade,
            AdvancedTicker: self._ticker,
            AdvancedL2Snapshot: self._snapshot,
            AdvancedL2Update: self._update,
            ConnectionHeartbeat: self._heartbeat,
            AdvancedStatus: self._status,
        }
        self.connected()

    def connected(self) -> None:
        """A connection begins: its first frames are answers and snapshots again."""
        self._answers_left = len(self._plan.channels)
        self._opened = False  # the first requests have been answered
        self._answer: Subscriptions | None = None
        self._begun: set[str] = set()  # the products with a ticker on this connection
        self._epochs: dict[str, int] = {}  # of the snapshots
        self._dropping: set[str] = set()  # the products with a book that is not known
        self._prior = None

    def contents(self, message: Message) -> list[Content]:
        """The dicts that *message* makes, and those that waited for it."""
        waiting, self._refused = self._refused, []
        return waiting + self._contents(message)

    def _contents(self, message: Message) -> list[Content]:
        before = self._prior
        if isinstance(message, PriorMarketTrade):
            self._prior = message
            self._remember(message)
            return [] if before is None or before.raw is message.raw else self._last_match(before)
        self._prior = None
        found = [] if before is None else self._last_match(before)
        if isinstance(message, Subscriptions):
            return found + self._subscriptions(message)
        if isinstance(message, ErrorMessage):
            return found + self._error(message)
        make = self._kinds.get(type(message))
        return found if make is None else found + make(message)

    def change(self, text: str) -> Change | None:
        """What a request that the script sends changes; `None` if *text* is no request of the classic."""
        try:
            request = json.loads(text)
        except ValueError:
            return None
        if not isinstance(request, dict) or request.get("type") not in ("subscribe", "unsubscribe"):
            return None
        if "channels" not in request:
            return None
        more, less = self._plan.change(request["type"], request["channels"], request.get("product_ids"))
        self._refused += self._refusals()
        self._answers_left = max(0, self._answers_left) + len(more) + len(less)
        if self._answers_left == 0:  # the classic gets an answer to each request
            self._refused += self._acknowledgement()
        return more, less

    @property
    def refused(self) -> list[str]:
        """A text for each channel that Advanced Trade does not have."""
        return [f"{name}: {reason}" for name, reason in self._plan.refused.items()]

    def _refusals(self) -> list[Content]:
        return [dicts.refusal(text) for text in self.refused]

    # ---- by type

    def _asked(self, channel: str, product: str) -> bool:
        return product in self._plan.served.get(channel, ())

    def _asked_ticker(self, product: str) -> bool:
        return self._asked("ticker", product) or self._asked("ticker_batch", product)

    def _last_match(self, trade: PriorMarketTrade) -> list[Content]:
        product = trade.product_id
        found = [dicts.match(trade, "last_match")] if self._asked("matches", product) else []
        return found + self._first_ticker(product)

    def _trade(self, trade: MarketTrade) -> list[Content]:
        product, found = trade.product_id, list[Content]()
        self._remember(trade)
        if self._asked("matches", product):
            found.append(dicts.match(trade, "match"))
        ticker = self._tickers.get(product)
        if ticker is not None and self._asked_ticker(product):
            self._begun.add(product)
            found.append(dicts.ticker(ticker, trade))
        return found

    def _remember(self, trade: MarketTrade | PriorMarketTrade) -> None:
        last = self._trades.get(trade.product_id)
        if last is None or trade.trade_id >= last.trade_id:
            self._trades[trade.product_id] = trade

    def _ticker(self, ticker: AdvancedTicker) -> list[Content]:
        self._tickers[ticker.product_id] = ticker
        return self._first_ticker(ticker.product_id)

    def _first_ticker(self, product: str) -> list[Content]:
        """The ticker that the classic gets at once for a subscription."""
        ticker, trade = self._tickers.get(product), self._trades.get(product)
        if product in self._begun or ticker is None or trade is None or not self._asked_ticker(product):
            return []
        self._begun.add(product)
        return [dicts.ticker(ticker, trade)]

    def _snapshot(self, snapshot: AdvancedL2Snapshot) -> list[Content]:
        self._epochs[snapshot.product_id] = snapshot.epoch
        self._dropping.discard(snapshot.product_id)
        return [dicts.snapshot(snapshot)]

    def _update(self, update: AdvancedL2Update) -> list[Content]:
        product = update.product_id
        if self._epochs.get(product) == update.epoch:
            return [dicts.l2update(update)] if update.changes else []
        if product not in self._dropping:
            self._dropping.add(product)
            log.warning(
                "%s: messages were missed: there is no l2update until the snapshot that is requested now", product
            )
        return []

    def _heartbeat(self, beat: ConnectionHeartbeat) -> list[Content]:
        products = self._plan.served.get("heartbeat", ())
        return [dicts.heartbeat(product, beat.time, self._trades.get(product)) for product in products]

    def _status(self, status: AdvancedStatus) -> list[Content]:
        return [dicts.status(status)] if "status" in self._plan.served else []

    # ---- answers

    def _subscriptions(self, answer: Subscriptions) -> list[Content]:
        self._answer = answer
        return self._answered()

    def _error(self, error: ErrorMessage) -> list[Content]:
        refused = [dicts.error(error)]
        return refused + (self._answered() if self._answers_left > 0 else [])

    def _answered(self) -> list[Content]:
        self._answers_left -= 1
        if self._answers_left > 0:
            return []
        refused = [] if self._opened else self._refusals() + self._invalid()
        self._opened = True
        return refused + self._acknowledgement()

    def _invalid(self) -> list[Content]:
        """An `error` for each product that is not acknowledged at all, as Coinbase Exchange sends it."""
        if self._answer is None:
            return []
        listed = {product for channel in self._answer.channels for product in channel.product_ids or ()}
        asked = dict.fromkeys(each for name, ids in self._plan.served.items() if name != "heartbeat" for each in ids)
        invalid = [product for product in asked if product not in listed]
        for product in invalid:
            self._explain(product)
        texts = [f"{product} is not a valid product" for product in invalid]
        for text in texts:
            log.warning("rejected: %s: check products", text)
        return [dicts.refusal(text) for text in texts]

    def _acknowledgement(self) -> list[Content]:
        return [] if self._answer is None else [dicts.subscriptions(self._answer, self._plan.served)]
