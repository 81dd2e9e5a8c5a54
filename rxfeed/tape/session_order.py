"""Restores the order in which one session of a publisher sent its messages, and joins those that were sent in parts.

Rules:
- The messages of a session on one subject have consecutive counts. A lower count than the next one is a message that
  came twice: it is dropped.
- If counts are missing, the later ones are held until the missing ones are there, or until the session reports that all
  messages before them are settled: then the missing ones were refused as duplicates of messages that the tape has.
- The result depends on the items and their order alone, so that all consumers of a tape get the same.
"""

from __future__ import annotations

import logging

from msgspec.structs import replace

from rxfeed.tape.envelope import TapeItem

log = logging.getLogger("rxfeed.tape")


class SessionOrder:
    """The state of one session."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}
        self._held: dict[str, dict[int, TapeItem]] = {}
        self._parts: dict[tuple[str, int], dict[int, TapeItem]] = {}
        self.settled = 0
        self.last_ns = 0

    def step(self, item: TapeItem) -> tuple[TapeItem, ...]:
        """The items that are next, after *item* was received."""
        if item.settled > self.settled:
            self.settled = item.settled
        if item.parts > 1:
            whole = self._joined(item)
            if whole is None:
                return ()
            item = whole
        subject, count = item.subject, item.count
        expected = self._next.get(subject, 1)
        if count == expected and not self._held:
            self._next[subject] = count + 1
            return (item,)
        if count >= expected:
            self._held.setdefault(subject, {})[count] = item
        return self._released() if self._held else ()

    def whole(self, item: TapeItem) -> tuple[TapeItem, ...]:
        """*item*, without regard to its order; nothing for a part of a message while others are missing."""
        found = self._joined(item) if item.parts > 1 else item
        return () if found is None else (found,)

    def _released(self) -> tuple[TapeItem, ...]:
        released: list[TapeItem] = []
        for subject, held in list(self._held.items()):
            while held:
                count = min(held)
                if count != self._next.get(subject, 1) and held[count].number > self.settled:
                    break
                released.append(held.pop(count))
                self._next[subject] = count + 1
            if not held:
                del self._held[subject]
        released.sort(key=lambda item: item.number)
        return tuple(released)

    def _joined(self, item: TapeItem) -> TapeItem | None:
        """The whole message of a part, if all parts are there."""
        key = item.subject, item.count
        parts = self._parts.setdefault(key, {})
        parts[item.part] = item
        if len(parts) < item.parts:
            return None
        del self._parts[key]
        payload = b"".join(parts[place].payload for place in range(item.parts))
        return replace(item, payload=payload, part=0, parts=1)

    def finish(self) -> tuple[TapeItem, ...]:
        """The items that are still held: the session has ended, or is replaced by another one."""
        if self._parts:
            log.warning("%d messages of a publisher that has ended are incomplete, and skipped", len(self._parts))
            self._parts.clear()
        held = [item for each in self._held.values() for item in each.values()]
        self._held.clear()
        return tuple(sorted(held, key=lambda item: item.number))
