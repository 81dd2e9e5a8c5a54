"""The waits between attempts, for all that is tried again: connections, requests, writes, snapshots."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import cast

import msgspec
from msgspec.structs import force_setattr

from rxfeed.core.arguments import Seconds, in_seconds
from rxfeed.errors import ConfigError

APART = 1.0
"""Seconds between two attempts on a public host, at least: the exchange's limit is 8 a second."""


class Reconnect(msgspec.Struct, frozen=True, kw_only=True):
    """How to reconnect: full jitter, `uniform(0, min(maximum, initial * factor ** failures))` seconds.

    Two attempts on a public host begin at least one second apart, whatever the values; on loopback 10 ms. A server may
    ask for longer (`Retry-After`), up to an hour. *retries*: how many failures in a row end the feed, `None` for no
    limit. Times are seconds, as numbers or timedeltas.
    """

    initial: Seconds = 1.0
    maximum: Seconds = 60.0
    factor: float = 2.0
    retries: int | None = None

    def __post_init__(self) -> None:
        for name in ("initial", "maximum"):
            force_setattr(self, name, in_seconds(getattr(self, name)))
        for name, least in (("initial", 0.0), ("maximum", in_seconds(self.initial)), ("factor", 1.0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < math.inf:
                raise ConfigError(f"reconnect: {name}: {value!r} is not a number from {least:g} on")
        retries = cast(object, self.retries)  # not checked by Python
        if retries is not None and (not isinstance(retries, int) or retries < 0):
            raise ConfigError(f"reconnect: retries: {self.retries!r} is not a count")


def longest(low: float, high: float) -> float:
    """*high*: as `uniform` of a `Backoff`, it makes waits without jitter.

    >>> from rxfeed import Reconnect
    >>> from rxfeed.core import Backoff, longest
    >>> backoff = Backoff(Reconnect(initial=5.0, maximum=20.0), longest, apart=0.0)
    >>> [backoff.failed() for _ in range(4)]
    [5.0, 10.0, 20.0, 20.0]
    """
    return high


class Backoff:
    """Outputs how long to wait after each failure; *uniform* draws the jitter.

    *apart*: seconds between the beginnings of two attempts, at least.
    """

    __slots__ = ("_apart", "_uniform", "failures", "policy")

    def __init__(
        self, policy: Reconnect, uniform: Callable[[float, float], float] = random.uniform, apart: float = APART
    ) -> None:
        self.policy = policy
        self._apart = apart
        self.failures = 0
        self._uniform = uniform

    def succeeded(self) -> None:
        """The next failure counts as the first one."""
        self.failures = 0

    def failed(self, lasted: float = 0.0, at_least: float = 0.0) -> float | None:
        """Seconds to wait after an attempt that began *lasted* seconds ago; `None` if no retry is left.

        At least *at_least*, which the server may have requested, and so long that attempts are *apart* seconds apart.
        """
        policy = self.policy
        self.failures += 1
        if policy.retries is not None and self.failures > policy.retries:
            return None
        # The power would overflow after many failures; the maximum is reached before.
        exponent = min(self.failures - 1, 64)
        ceiling = min(in_seconds(policy.maximum), in_seconds(policy.initial) * policy.factor**exponent)
        return max(self._uniform(0.0, ceiling), self._apart - lasted, at_least)
