"""What a wrong name of a channel or a product probably stands for."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping


def similar_channel(name: str, names: Collection[str], other_names: Mapping[str, str]) -> str | None:
    """The one of *names* that *name* may mean, by *other_names* or the most similar; `None` if no name is similar.

    >>> from rxfeed.venues.suggestions import similar_channel
    >>> names = ("matches", "heartbeat")
    >>> [similar_channel(each, names, {"trade": "matches"}) for each in ("trade", "Heartbeats ", "candles")]
    ['matches', 'heartbeat', None]
    """
    from difflib import get_close_matches  # only a wrong name needs it

    lower = name.strip().lower()
    return other_names.get(lower) or next(iter(get_close_matches(lower, names, 1, 0.75)), None)


def similar_product(product: str, pattern: re.Pattern[str], quotes: Collection[str] = ()) -> str | None:
    """The id of the form *pattern* that *product* may mean; `None` if none is likely, or *product* is one.

    *quotes*: the currencies at the end of an id without a separator.

        >>> import re
        >>> from rxfeed.venues.suggestions import similar_product
        >>> ids = re.compile("[A-Z]+-[A-Z]+")
        >>> [similar_product(each, ids, ["USD"]) for each in ("btc-usd", "ETH/EUR", "btcusd", "BTC-USD", "?")]
        ['BTC-USD', 'ETH-EUR', 'BTC-USD', None, None]
    """
    likely = re.sub(r"[\s/_:.-]+", "-", product.strip()).upper()
    if "-" not in likely:
        quote = next((each for each in quotes if likely.endswith(each) and likely != each), None)
        likely = likely if quote is None else f"{likely.removesuffix(quote)}-{quote}"
    return likely if pattern.fullmatch(likely) and likely != product else None
