"""The header `Retry-After` of a server that refuses a request for a while."""

from __future__ import annotations

from datetime import UTC, datetime

_LONGEST = 3600.0


def retry_after(header: str, now: datetime) -> float:
    """The seconds of a Retry-After header (a number or a date), at most an hour; 0 if it is neither.

    >>> from datetime import UTC, datetime
    >>> from rxfeed.transport import retry_after
    >>> retry_after("120", datetime.now(UTC)), retry_after("soon", datetime.now(UTC))
    (120.0, 0.0)
    """
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _LONGEST)
    from email.utils import parsedate_to_datetime  # it loads the parser of e-mails, which few programs need

    try:
        then = parsedate_to_datetime(text)
        seconds = ((then if then.tzinfo else then.replace(tzinfo=UTC)) - now).total_seconds()
    except (TypeError, ValueError, OverflowError, IndexError):
        return 0.0
    return min(max(0.0, seconds), _LONGEST)
