"""The operators that maintain order books: by price level, and by order."""

from __future__ import annotations

from reactivex import Observable, abc

from rxfeed.core import MAX_AHEAD, BookStats, BookView, FullBookView, Level2Book, Level3Book, Reconnect, Seconds
from rxfeed.errors import ConfigError
from rxfeed.market import Message, OrderOpened
from rxfeed.operators.dated_ahead import reporting
from rxfeed.operators.lift import lift
from rxfeed.operators.share_latest import ShareLatest
from rxfeed.operators.snapshot_sync import SnapshotSync
from rxfeed.operators.source import (
    FilterableSource,
    MessageFilter,
    Operator,
    Root,
    Rooted,
    SnapshotSource,
    check_source,
    declare,
    results_of,
)


def order_book(
    product_id: str, depth: int | None = None, *, max_ahead: Seconds | None = MAX_AHEAD
) -> Operator[Message, BookView]:
    """Emit a `BookView` of *product_id* each time a message of `level2` or `level2_batch` changes its book.

        snapshot  bids 9.0: 2     asks 11: 1         ->  best_bid (9.0, 2)   best_ask (11, 1)   mid 10
        l2update  buy 9: 0        sell 10: 3         ->  best_bid None       best_ask (10, 3)   mid None
        l2update, in a new epoch                     ->  not ready

        >>> import reactivex
        >>> from rxfeed import order_book
        >>> from rxfeed.testing import book, book_update
        >>> messages = [book([("9.0", 2)], [(11, 1)]), book_update(("buy", 9, 0), ("sell", 10, 3))]
        >>> _ = reactivex.of(*messages).pipe(order_book("BTC-USD")).subscribe(
        ...     lambda view: print(view.best_ask[0], view.mid))
        11 10.00
        10 None

    The exchange sends a snapshot at every subscription, which gives the first view; so compose before you connect. At a
    gap (a new `epoch`: a reconnect, a missed message of the product, a malformed frame), one view without prices is
    emitted that is not `ready`. The next view follows with the next snapshot. If the book is crossed outside an
    auction, the view is marked so (the channel `auctionfeed` has the auctions). Prices are in the quote currency, sizes
    in the base currency.

    All subscribers of the result share one book; a late subscriber gets the newest view at once. *depth* limits `bids`
    and `asks`. *max_ahead* limits a view's time to so many seconds after the receipt of its message (`None`: no limit).
    O(log n) a change for n prices; memory: O(n), and for each kept view what has changed since.
    """
    machine = reporting("order_book", lambda: Level2Book(product_id, depth, max_ahead=max_ahead))
    message_filter = MessageFilter(Level2Book.accepts, frozenset([product_id]), "order_book")
    lifted = lift(machine, message_filter)
    return declare(lambda source: results_of(ShareLatest(lifted(source)), "order_book"), message_filter)


# A book of orders needs more than trades, since other channels have those too.
_ORDERS = frozenset((OrderOpened,))


class FullBook:
    """The operator that `full_book` returns; `stats` counts over all subscriptions."""

    def __init__(
        self,
        product_id: str,
        snapshot: SnapshotSource | None,
        depth: int | None,
        retry: Reconnect,
        buffer: int,
        max_ahead: Seconds | None = MAX_AHEAD,
    ) -> None:
        if snapshot is not None and not callable(snapshot):
            raise ConfigError(f"snapshot: {snapshot!r} cannot be called")
        if not isinstance(retry, Reconnect):  # pyright: ignore[reportUnnecessaryIsInstance]  # the user's
            raise ConfigError(f"retry: {retry!r} is not a Reconnect")
        self.stats = BookStats()
        self.message_filter = MessageFilter(Level3Book.accepts, frozenset([product_id]), "full_book", _ORDERS)
        self._book = reporting(
            "full_book",
            lambda: Level3Book(product_id, depth, buffer=buffer, stats=self.stats, max_ahead=max_ahead),
        )
        self._product_id = product_id
        self._snapshot = snapshot
        self._retry = retry

    def __call__(self, source: Observable[Message]) -> Observable[FullBookView]:
        return self.with_root(source.root if isinstance(source, Rooted) else None, source)

    def with_root(self, root: Root | None, source: Observable[Message]) -> Observable[FullBookView]:
        """The views of the book from *source*, which is *root* or a pipeline on it."""
        check_source(source, self.message_filter)
        snapshot = self._snapshot or (None if root is None else root.level3_snapshot)
        if snapshot is None:
            raise ConfigError(
                f"full_book: {source if root is None else root!r} has no REST API to request a book from: "
                "give snapshot, for example rest_snapshot()"
            )
        chosen: Observable[Message] = (
            source.select(self.message_filter) if isinstance(source, FilterableSource) else source
        )

        def subscribe(
            observer: abc.ObserverBase[FullBookView], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            return SnapshotSync(self._book(), snapshot, self._retry, observer).run(chosen, scheduler)

        return results_of(ShareLatest(Observable(subscribe)), "full_book")


def full_book(
    product_id: str,
    snapshot: SnapshotSource | None = None,
    *,
    depth: int | None = None,
    retry: Reconnect = Reconnect(),  # noqa: B008  # frozen
    buffer: int = 100_000,
    max_ahead: Seconds | None = MAX_AHEAD,
) -> FullBook:
    """Emit a `FullBookView` of *product_id*, by order, each time a message of `full` or `level3` changes it.

        open a, sequence 8                              ->  (a snapshot is requested)
        snapshot at sequence 7: b buys 2 at 9           ->  bids 9: 2 and 1, of b and then a
        match of b, size 2, sequence 9                  ->  bids 9: 1
        match, sequence 11                              ->  not ready (and a snapshot is requested)

        >>> from rxfeed.testing import order_opened
        >>> from rxfeed.core import Level3Book, Level3Snapshot, SnapshotTaken
        >>> book = Level3Book("BTC-USD")
        >>> book.step(order_opened("a", 9, sequence=8))
        (NeedSnapshot(product_id='BTC-USD', request=1, failures=0),)
        >>> snapshot = Level3Snapshot.of({"sequence": 7, "bids": [["9", "2", "b"]], "asks": []})
        >>> (view,) = book.step(SnapshotTaken(1, snapshot))
        >>> view.best_bid, view.queue_position("a").size, [order.order_id for order in view.orders("buy")]
        ((Decimal('9'), Decimal('3')), Decimal('2'), ['b', 'a'])

    *snapshot* is called with the product id, on its own thread. It returns the body of the exchange's `GET
    /products/<id>/book?level=3` (bytes, str, dict) or a `Level3Snapshot`. `None`: the feed requests it from the REST
    API of its venue, at `feed.rest_url`; a replay has none. Meanwhile at most *buffer* messages wait; if there are
    more, the oldest are dropped.

    A snapshot is requested with the first message of the product (heartbeats count), and after every gap: a missing
    sequence number, a new `epoch`, or a message that contradicts the book. At a gap, one view that is not `ready` is
    emitted. The next view follows when the book is rebuilt; other products continue. Failed requests are retried by
    *retry* with full jitter. Two requests are at least one second apart, or *retry*'s `initial` if that is less. After
    `retries` failures in a row the stream ends with `ConnectFailed`. Do not subscribe to `matches` in a feed with
    `full`: a trade of `matches` can arrive early, which looks like a gap.

    The view of a snapshot is emitted at once, on the thread that requested it; a lock keeps the order of all views. All
    subscribers of the result share one book; a late subscriber gets the newest view at once. `.stats` of the operator
    counts gaps, failures and dropped messages. *max_ahead*: as for `order_book`. O(log n) a message for n orders;
    memory: O(n), and for each kept view what has changed since.
    """
    return FullBook(product_id, snapshot, depth, retry, buffer, max_ahead)
