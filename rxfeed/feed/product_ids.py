"""Products that the venue delivers under another id: messages get the id that was subscribed to.

Rules:
- Which id stands for which product is taken from the aliases in the venue's list of products, or from the *aliases*
  that the feed was given. An id is never derived from the text of another one.
- The list is requested only if it can be needed: the venue has such products, no aliases were given, and it delivers a
  product that was never subscribed to, or acknowledges a channel without a product that was subscribed to (or nothing).
- The request blocks the feed's thread for at most `PATIENCE` seconds, so that the first message already has its id. If
  it succeeds, it is the last one of the feed. If it fails, one warning is logged, the messages keep the venue's ids,
  and the next connection tries again.
- A change is reported as `ProductRenamed` before the first message with the id, so that recordings have it there.
- If all products are acknowledged under their own ids, the mapping is emptied: then decoding does not look into it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping

from rxfeed.core import Pair
from rxfeed.errors import RxfeedError
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.products_rest import ProductsRest
from rxfeed.feed.status import ProductRenamed
from rxfeed.feed.subscription_manager import SubscriptionManager
from rxfeed.market import Subscriptions
from rxfeed.venues import DeliveredIds, aliases

log = logging.getLogger("rxfeed.feed")

PATIENCE = 3.0
"""Seconds for the request of the list of products."""
_MOST = 1_000  # ids that are stored: they come from the network
_ACTIVE = ""  # in place of an id: the mapping is looked into


class ProductIds(DeliveredIds):
    """The ids of one feed's products, by those under which the venue delivers them.

    *given*: the aliases, by product; `None`: they are requested with the client that *make_client* returns, which is
    `None` where the venue has no aliases. Only the feed's thread reads the ids; `changed`, `close` and `renamed` may be
    called by any.
    """

    def __init__(
        self,
        given: Mapping[str, str] | None,
        subscriptions: SubscriptionManager,
        streams: FeedStreams,
        make_client: Callable[[], ProductsRest] | None,
    ) -> None:
        super().__init__()
        self._aliases = None if given is None else dict(given)
        self._listed: frozenset[str] | None = None
        """The ids of the list of products; `None`: it was not requested."""
        self._subscriptions = subscriptions
        self._streams = streams
        self._make_client = make_client if given is None else None
        self._lock = threading.Lock()
        self._client: ProductsRest | None = None
        self._closed = self._failed = self._warned = False
        self._acknowledged: set[str] = set()
        self.explained: set[str | None] = set()
        """The products that the venue did not acknowledge, of which the log has the reason."""
        self._renamed: dict[str, str] = {}
        self._enabled = bool(given) or self._make_client is not None
        self.changed()

    def __missing__(self, delivered: str) -> str:
        product = self._product_of(delivered)
        if len(self) < _MOST:
            self[delivered] = product
        if product != self._renamed.get(delivered, delivered):
            if product == delivered:
                del self._renamed[delivered]
            else:
                self._renamed[delivered] = product
            self._streams.report(ProductRenamed(product_id=product, delivered=delivered))
        return product

    @property
    def renamed(self) -> dict[str, str]:
        """The ids that differ."""
        return self._renamed.copy()

    def changed(self) -> None:
        """The subscriptions have changed, so that each id is looked up again."""
        if not self._enabled:
            return
        with self._lock:
            self[_ACTIVE] = _ACTIVE
            for delivered in [*self]:
                if delivered != _ACTIVE:
                    self.pop(delivered, None)

    def connected(self) -> None:
        """A new connection begins: if the last request has failed, the next one is made when it is needed."""
        if self._failed:
            self._failed = False
            self.changed()

    def acknowledged(self, answer: Subscriptions, missing: Collection[Pair]) -> None:
        """The venue has acknowledged subscriptions, without those that are *missing*."""
        if not self:
            return
        with self._lock:
            if not missing and not self._renamed and self._subscriptions.settled:
                self.clear()
        desired = self._subscriptions.products
        self._acknowledged.update(
            product for channel in answer.channels for product in channel.product_ids or () if product in desired
        )
        listed = {self._streams.venue.aliases.get(channel.name, channel.name) for channel in answer.channels}
        lacking = (product for channel, product in missing if channel in listed or not listed)
        for product in dict.fromkeys(lacking):
            if product is not None and product not in self._acknowledged and product not in self.explained:
                self._explain(product, desired)

    def close(self) -> None:
        """Make a running request fail at once, and no further one; from any thread."""
        with self._lock:
            self._closed, client = True, self._client
        if client is not None:
            client.close()

    # ---- aliases

    def _product_of(self, delivered: str) -> str:
        """The product that was subscribed to and is delivered as *delivered*, or that itself."""
        desired = self._subscriptions.products
        if delivered in desired or (self._aliases is None and self._subscriptions.was_desired(delivered)):
            return delivered
        known = self._known()
        # If the product was unsubscribed, its last messages keep their id.
        last = self._renamed.get(delivered, delivered)
        return next((each for each in desired if known.get(each) == delivered), last)

    def _known(self) -> Mapping[str, str]:
        """The aliases, which are requested if they are not known."""
        if (
            self._aliases is None
            and self._make_client is not None
            and not self._failed
            and self._subscriptions.products
        ):
            self._request(self._make_client)
        return self._aliases or {}

    def _request(self, make_client: Callable[[], ProductsRest]) -> None:
        try:
            with self._lock:
                if self._closed:
                    return
                client = self._client = make_client()
            found = client.products()
        except RxfeedError as error:
            self._failed = True
            if not self._closed:
                log.log(
                    logging.INFO if self._warned else logging.WARNING,
                    "products: the venue delivers some products under another id. Messages of such products keep that "
                    "id, because the list of products could not be requested: %s. Check rest_url and the network, or "
                    "give aliases. The next connection tries again",
                    error,
                )
                self._warned = True
        else:
            self._aliases, self._listed = dict(aliases(found)), frozenset(each.id for each in found)
        finally:
            self._client = None

    def _explain(self, product: str, desired: Collection[str]) -> None:
        """Log why there is no data of *product*, which the venue has not acknowledged."""
        alias = self._known().get(product)
        if alias is not None and alias in desired:
            log.warning(
                "products: %s is delivered as %s, which is subscribed to, too: its messages are those of %s",
                *(product, alias, alias),
            )
        elif self._listed is not None and product not in self._listed:
            log.warning(
                "products: the venue has no product %s: check its id, for example with `rxfeed products`", product
            )
        else:
            return
        self.explained.add(product)
