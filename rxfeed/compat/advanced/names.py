"""The products that Advanced Trade delivers under another name, such as `BTC-USDC` under `BTC-USD`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

from rxfeed.errors import ConfigError, RxfeedError
from rxfeed.venues import COINBASE_ADVANCED, aliases

log = logging.getLogger("rxfeed.compat")

_MAY_HAVE_ONE = "-USDC"


def aliases_of(products: Iterable[str], get: Callable[[str], bytes]) -> Mapping[str, str]:
    """The names under which *products* are delivered, where they differ; *get* requests a path of the REST API.

    The list of products has them. It is requested only if one of *products* is quoted in USDC: only such have others.
    """
    wanted = {each for each in products if each.endswith(_MAY_HAVE_ONE)}
    rules = COINBASE_ADVANCED.rest
    if not wanted or rules is None:
        return {}
    try:
        found = aliases(rules.products(get(rules.products_path())))
    except ConfigError:
        raise
    except RxfeedError as error:
        log.warning(
            "%s: the list of products cannot be read, so that messages may have other names of products: %s",
            ", ".join(sorted(wanted)),
            error,
        )
        return {}
    return {each: found[each] for each in wanted if each in found}
