"""The types of sources and operators, and the filter that an operator declares."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from reactivex import Observable

from rxfeed.core import Level3Snapshot
from rxfeed.errors import ConfigError
from rxfeed.market import Auction, Heartbeat, Message, PriorTrade

if TYPE_CHECKING:
    from rxfeed.operators.graph import Graph, Step

A = TypeVar("A")
B = TypeVar("B")
T_co = TypeVar("T_co", covariant=True)

Operator = Callable[[Observable[A]], Observable[B]]

SnapshotSource = Callable[[str], Level3Snapshot | bytes | str | Mapping[str, object]]
"""Returns a product's book by order: a `Level3Snapshot`, or the body of the REST API's response."""

# Operators accept these in addition to the messages that they need: for the time, the state and the first price.
_AUXILIARY = frozenset((Heartbeat, Auction, PriorTrade))


@lru_cache(4096)  # a route that is not stored is made for every message
def _include(types: frozenset[type[Message]], kind: type[Message]) -> bool:
    return issubclass(kind, tuple(types))


class MessageFilter(NamedTuple):
    """The *types* of messages that an operator accepts, and their *products* (`None`: all).

    *operator*: its name, for log lines and errors. *needs*: without messages of these types, the operator is silent.
    `None` means *types* without heartbeats, auctions and `last_match`, or all *types* if there are no others. *books*:
    the operator also accepts the views of a book.
    """

    types: frozenset[type[Message]]
    products: frozenset[str] | None = None
    operator: str = ""
    needs: frozenset[type[Message]] | None = None
    books: bool = False

    def includes(self, kind: type[Message]) -> bool:
        """True if *kind* is one of the types, or a subclass of one."""
        return _include(self.types, kind)

    @property
    def needed(self) -> frozenset[type[Message]]:
        return (self.types - _AUXILIARY or self.types) if self.needs is None else self.needs


def declare(operator: Operator[A, B], message_filter: MessageFilter | None) -> Operator[A, B]:
    """*operator* itself, marked with *message_filter* for `filter_of`."""
    vars(operator)["message_filter"] = message_filter
    return operator


def filter_of(operator: object) -> MessageFilter | None:
    """The filter that *operator* declares; `None` for an operator of reactivex, or a function of the user."""
    message_filter = getattr(operator, "message_filter", None)
    return message_filter if isinstance(message_filter, MessageFilter) else None


_BOOKS = ("order_book", "full_book")


def check_source(source: object, message_filter: MessageFilter) -> None:
    """Raise `ConfigError` if *source* emits results that an operator with *message_filter* does not accept."""
    by, name = getattr(source, "emitted_by", ""), message_filter.operator
    if by and not (message_filter.books and by in _BOOKS):
        takes = "messages or the views of a book" if message_filter.books else "messages"
        raise ConfigError(
            f"{name} after {by}: {by} emits results, and {name} takes {takes}; "
            f"compose both on the feed: feed.pipe({by}(...)) and feed.pipe({name}(...))"
        )


def results_of(made: Observable[B], operator: str) -> Observable[B]:
    """*made* itself, marked as the results of *operator* for `check_source`."""
    vars(made)["emitted_by"] = operator
    return made


class Root(Protocol):
    """The source of a pipeline: a feed or a replay."""

    @property
    def level3_snapshot(self) -> SnapshotSource | None:
        """Requests a product's book by order from the venue, and blocks; `None` if there is no REST API of it."""
        ...

    def connect(self) -> None:
        """Connect; raises `FeedClosed` if the source has ended."""
        ...

    def begin(self) -> bool:
        """Connect; True if the source did not run before."""
        ...

    def close(self) -> None: ...

    @property
    def leaving(self) -> BaseException | None:
        """The `SystemExit` or `KeyboardInterrupt` that a subscriber raised and that has ended it."""
        ...

    def unhandled(self, error: Exception, place: str, counted: bool = False) -> None:
        """Log *error*, which ended a pipeline without `on_error` that was subscribed at *place*, and count it once."""
        ...

    def expect(self, message_filter: MessageFilter, place: str) -> None:
        """Warn if no subscribed channel has what *message_filter* needs, now or as soon as the channels are known."""
        ...

    @property
    def graph(self) -> Graph:
        """Its pipelines with a subscriber."""
        ...

    def subscribed(self, steps: tuple[Step, ...], origin: str, place: str) -> Callable[[], None]:
        """Add to the graph a subscription of *steps* on the stream *origin*, made at *place*; the result removes it."""
        ...


class Rooted(Observable[T_co]):
    """A source, or a pipeline on one; *root*: that source."""

    @property
    @abstractmethod
    def root(self) -> Root: ...


def rooted(operator: Operator[A, B], root: Root) -> Operator[A, B]:
    """*operator*, which gets *root* if it has a use for it, also behind operators of reactivex."""
    with_root = getattr(operator, "with_root", None)
    return operator if with_root is None else partial(with_root, root)


class FilterableSource(Observable[Message]):
    """A source that filters by type and product itself, without a call of every subscriber for every message."""

    @abstractmethod
    def select(self, message_filter: MessageFilter) -> Observable[Message]:
        """The messages that *message_filter* accepts."""
