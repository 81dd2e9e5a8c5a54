"""Reports messages with a time too far after their receipt."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from rxfeed.core import EventClock

log = logging.getLogger("rxfeed.operators")


class _Timed(Protocol):
    clock: EventClock


M = TypeVar("M", bound=_Timed)


def reporting(operator: str, make: Callable[[], M]) -> Callable[[], M]:
    """*make*, with machines that log the first message dated too far after its receipt, once for all of *operator*."""
    make()  # so that bad arguments raise here, and not at each subscription
    report = report_once(operator)

    def made() -> M:
        machine = make()
        machine.clock.report = report
        return machine

    return made


def report_once(operator: str) -> Callable[[EventClock, object], None]:
    """A function for `EventClock.report` of any number of clocks, which logs only the first message of all."""
    lock = threading.Lock()
    reported = False

    def report(clock: EventClock, item: object) -> None:
        nonlocal reported
        with lock:
            before, reported = reported, True
        if not before:
            log.warning(
                "%s: a message of %s is dated %s, more than max_ahead=%g s after its receipt at %s: its time is not "
                "used (a trade goes to the operator's late stream, if it has one). Check this machine's clock, or "
                "raise max_ahead. Reported once.",
                operator,
                getattr(item, "product_id", None),
                getattr(item, "time", None),
                clock.max_ahead,
                getattr(item, "received", None),
            )

    return report
