"""When a backfill may send its next request, so that the repairs beside it need not wait.

All requests to a server have one rate limit, and each one that waits has reserved its turn. So the backfills of a
process together use only a part of it: what they send is sent at once, and a repair finds the next turn free.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from rxfeed.secrets import Secret
from rxfeed.transport import Endpoint, SharedLimit

_SHARE = 0.8
"""The part of a server's rate limit that backfills use."""


def backfill_turns(rest_url: Secret, proxy: str | Secret | None, rate: float) -> Callable[[], float]:
    """A function that takes the next turn, and returns the seconds until then; from any thread.

    The turns are those of all backfills from the server at *rest_url*, through *proxy*, which allows *rate* requests a
    second.
    """
    server = Endpoint.of(rest_url, ("http", "https"))
    limit = SharedLimit.of(server.host, server.port, proxy, rate * _SHARE)
    return lambda: limit.reserve(math.inf) or 0.0
