"""Exceptions of subscribers and operators that no `on_error` handles, and where the subscription was made.

- If a subscriber raises, the exception comes out of `on_next`, and its `on_error` has not been called yet.
- If an operator raises, reactivex calls `on_error` downstream. A subscriber without one raises the exception again, out
  of `on_next`, and by then every observer up to the source is stopped: a further `on_error` reaches none of them.
- Behind a Subject that is not so: the Subject takes the further `on_error`, and a subscriber without one has left it.
"""

from __future__ import annotations

import inspect
import logging
import threading
from typing import Never

from reactivex import abc
from reactivex.internal import default_error

_handing_back = threading.local()
log = logging.getLogger("rxfeed.operators")
_INTERNAL = frozenset(("rxfeed", "reactivex", "threading"))


def hand_back(observer: abc.ObserverBase[Never], error: Exception) -> Exception | None:
    """The exception to log after *observer* raised *error*; `None` if its `on_error` has handled the error."""
    if getattr(observer, "is_stopped", False):
        return error
    _handing_back.error = error
    try:
        observer.on_error(error)
    except Exception as unhandled:
        return unhandled
    finally:
        _handing_back.error = None
    return error if _came_from_none(error) else None


def _came_from_none(error: Exception) -> bool:
    """A subscriber without `on_error` has raised *error*."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code is not default_error.__code__:
        trace = trace.tb_next
    return trace is not None


def is_handed_back(error: Exception) -> bool:
    """True during the call of `hand_back` for *error*, on the same thread."""
    return getattr(_handing_back, "error", None) is error


def place_of_caller() -> str:
    """File, line and function of the nearest frame outside rxfeed and reactivex; empty if there is none."""
    frame = inspect.currentframe()
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] not in _INTERNAL:
            code = frame.f_code
            return f"{code.co_filename}:{frame.f_lineno} in {code.co_name}"
        frame = frame.f_back
    return ""


def remedy(error: BaseException) -> str:
    """What to do about *error*, as a part of a log line; empty for most."""
    text = str(error) if isinstance(error, TypeError) else ""
    if "decimal.Decimal" in text and "'float'" in text:
        return "; prices are Decimal, which no float goes with: write Decimal('1.01') for 1.01, or float(price)"
    return ""


def noted(error: BaseException) -> BaseException:
    """*error* itself, with its remedy as a note, which its traceback shows."""
    note = remedy(error).removeprefix("; ")
    if note and note not in getattr(error, "__notes__", ()):
        error.add_note(note)
    return error


def log_unhandled(error: Exception | None) -> None:
    """Log what `hand_back` returned, with its traceback."""
    if error is not None:
        advice = remedy(error)
        log.error("a subscriber or its pipeline raised, and was unsubscribed: %r%s", error, advice, exc_info=error)


def log_at_end(error: BaseException) -> None:
    """Log *error*, which a subscriber raised when the stream ended: mostly the stream's own error."""
    log.error("a subscriber without on_error raised at the end of the stream: %r", error, exc_info=error)


def at(place: str) -> str:
    """*place* as a part of a log line."""
    return f" (subscribed at {place})" if place else ""
