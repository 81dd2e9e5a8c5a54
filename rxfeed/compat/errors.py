"""The exception of the classic order book."""

from rxfeed.errors import RxfeedError


class BookEmpty(RxfeedError, IndexError, ValueError, AttributeError):
    """The classic order book has no order on that side: old code catches one of these three."""
