"""Between which times missing trades happened, by what was recorded around them.

Rules:
- A trade with a wrong time would be counted in a window that is over, or end all windows before it. These would be
  complete and wrong. So an answer with such trades is refused.
- No missing trade is newer than the message that shows that it is missing, which has its own time.
- The trade before the missing ones is known by its receipt. The clock of the recorder may have been wrong: its offset
  is taken from a message beside them. Latencies differ, so that this bound is a rough one.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from rxfeed.audit.proof import Hole
from rxfeed.errors import FrameMalformed, RecordingDamaged
from rxfeed.market import Message, Trade
from rxfeed.recording import FIRST_NS, LAST_NS, Part, moment_of, ns_of, recorded_ids
from rxfeed.venues import Decoded, Venue

_SLACK = timedelta(seconds=1)
"""The times of a venue's trades may be a little out of order."""
_LATENCY = timedelta(minutes=10)
_NEAR = 100
"""Lines before and after an event, which has no time of the exchange, among which a message is looked for."""
Bounds = tuple[datetime, datetime]


class _Timed(NamedTuple):
    """A message that was received at *ns*, and has a *time*; *shows*: it shows that trades are missing."""

    ns: int
    time: datetime
    shows: bool


def bounds_of_holes(
    holes: Iterable[Hole], owners: Mapping[tuple[str, int], Part], venue: Venue
) -> Mapping[Hole, Bounds]:
    """The earliest and the latest time of the trades in each of *holes*, which are in the segments *owners*."""
    by_segment: dict[tuple[str, int], list[Hole]] = defaultdict(list)
    for hole in holes:
        by_segment[hole.place.session, hole.place.number].append(hole)
    found: dict[Hole, Bounds] = {}
    for place, several in by_segment.items():
        part = owners.get(place)
        times = {} if part is None else _times(part, {hole.place.line for hole in several}, venue)
        for hole in several:
            found[hole] = _bounds(hole, times.get(hole.place.line))
    return found


def check_times(product: str, trades: Iterable[Trade], bounds: Bounds) -> None:
    """Raise `FrameMalformed` if one of *trades* is outside of *bounds*."""
    first, last = bounds
    for trade in trades:
        if not first <= trade.time <= last:
            raise FrameMalformed(
                f"not the missing trades: {trade.trade_id} of {product} is of {trade.time:%Y-%m-%d %H:%M:%S}, and by "
                f"the recording between {first:%Y-%m-%d %H:%M:%S} and {last:%Y-%m-%d %H:%M:%S}: check rest_url"
            )


def _bounds(hole: Hole, near: _Timed | None) -> Bounds:
    """The bounds of *hole*; *near*: the message that shows that its trades are missing, or another one near it."""
    if near is None:
        return moment_of(FIRST_NS), moment_of(LAST_NS)
    offset = moment_of(near.ns) - near.time
    after, before = (moment_of(each) for each in (min(hole.after_ns, hole.place.ns), hole.place.ns))
    last = _later(near.time, _SLACK) if near.shows else _later(_earlier(before, offset), _LATENCY)
    return _earlier(_earlier(after, offset), _LATENCY), last


def _earlier(time: datetime, span: timedelta) -> datetime:
    return moment_of(ns_of(time) - span // timedelta(microseconds=1) * 1000)


def _later(time: datetime, span: timedelta) -> datetime:
    return _earlier(time, -span)


def _times(part: Part, lines: set[int], venue: Venue) -> dict[int, _Timed]:
    """By each of these *lines* of *part*: the message on it, or another one near it, if one has a time."""
    found: dict[int, _Timed] = {}
    recording, wanted = part.opened(), sorted(lines, reverse=True)
    decode = venue.decoder(stored=True, renamed=recorded_ids(recording)).decode
    with contextlib.suppress(RecordingDamaged):
        for chunk in recording.chunks():
            count = len(chunk.lines)
            while wanted and wanted[-1] < chunk.line + count:
                number = wanted.pop()
                index = number - chunk.line
                for near in sorted(
                    range(max(0, index - _NEAR), min(count, index + _NEAR)), key=lambda each: abs(each - index)
                ):
                    line = recording.line(chunk, near)
                    time = _time(decode(line.raw())) if line.has_frame else None
                    if time is not None:
                        found[number] = _Timed(line.ns, time, near == index)
                        break
            if not wanted:
                break
    return found


def _time(decoded: Decoded) -> datetime | None:
    """The latest time of the messages in a frame."""
    messages = decoded if isinstance(decoded, tuple) else (decoded,)
    return max((each.time for each in messages if isinstance(each, Message) and each.time is not None), default=None)
