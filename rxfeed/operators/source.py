"""What operators stand between."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, TypeVar

from reactivex import Observable

from rxfeed.errors import ConfigError
from rxfeed.market import Auction, Heartbeat, Message, PriorTrade

A = TypeVar("A")
B = TypeVar("B")
T_co = TypeVar("T_co", covariant=True)

Operator = Callable[[Observable[A]], Observable[B]]

# Operators look at these beside the messages that they need, for the time, the state and the first price.
_AUXILIARY = frozenset((Heartbeat, Auction, PriorTrade))


@lru_cache(4096)  # a route that is not stored is made for every message
def _include(types: frozenset[type[Message]], kind: type[Message]) -> bool:
    return issubclass(kind, tuple(types))


class Wish(NamedTuple):
    """The *types* of messages that an operator looks at, and their *products* (`None`: all).

    *needs*: if no message of these types comes, the operator emits nothing. `None` stands for *types* without
    heartbeats, auctions and `last_match`, or for all of them where there are no others. *books*: it takes the views of
    a book, too.
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


def declare(operator: Operator[A, B], wish: Wish | None) -> Operator[A, B]:
    """*operator* itself, with its *wish* for `wish_of`."""
    vars(operator)["wish"] = wish
    return operator


def wish_of(operator: Any) -> Wish | None:
    """What *operator* declares to look at; `None` for an operator of reactivex, or a function of the user's."""
    wish = getattr(operator, "wish", None)
    return wish if isinstance(wish, Wish) else None


_BOOKS = ("order_book", "full_book")


def check_source(source: Any, wish: Wish) -> None:
    """`ConfigError` if *source* has the results of an operator that one with *wish* does not take."""
    by, name = getattr(source, "emitted_by", ""), wish.operator
    if by and not (wish.books and by in _BOOKS):
        takes = "messages or the views of a book" if wish.books else "messages"
        raise ConfigError(
            f"{name} after {by}: {by} emits results, and {name} takes {takes}; "
            f"compose both on the feed: feed.pipe({by}(...)) and feed.pipe({name}(...))"
        )


def results_of(made: Observable[B], operator: str) -> Observable[B]:
    """*made* itself, marked as the results of *operator*, for `check_source`."""
    vars(made)["emitted_by"] = operator
    return made


class Root(Protocol):
    """What a pipeline begins with: a feed or a replay."""

    def connect(self) -> None:
        """Connect; raises `FeedClosed` once it has ended."""
        ...

    def begin(self) -> bool:
        """Connect; True if it did not run before."""
        ...

    def close(self) -> None: ...

    def unhandled(self, error: Exception, place: str) -> None:
        """Log *error*, which ended a pipeline without `on_error` that was subscribed at *place*."""
        ...

    def expect(self, wish: Wish, place: str) -> None:
        """Warn if no subscribed channel has what *wish* needs, now or when the channels are known."""
        ...


class Rooted(Observable[T_co]):
    """A source, or what was composed on one; *root* is that source."""

    @property
    @abstractmethod
    def root(self) -> Root: ...


class Selectable(Observable[Message]):
    """A source that can select by type and product itself, without asking every subscriber about every message."""

    @abstractmethod
    def select(self, wish: Wish) -> Observable[Any]:
        """The messages that *wish* names."""
