"""Immutable states of a dict that changes, each of which is made when it is read.

Rules:
- A change is appended to a list, and a state is the number of changes before it. What a state consists of is made from
  the last state that was read. So a state that is never read costs next to nothing.
- After a number of changes a list begins anew. If states of the old one were read, it begins with the last of them, so
  that a further reading costs the changes only. If not, it begins with a copy of the dict, which costs far less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

import msgspec
from msgspec.structs import force_setattr

C = TypeVar("C")
F = TypeVar("F")

_CHANGES = 512  # at least, before a list of changes begins anew


class RecordedState(msgspec.Struct, Generic[F], frozen=True, gc=False, eq=False):
    """A state of `RecordedStates`, after so many changes of its record; any thread may use it."""

    _record: Record[Any, F] | None
    _count: int
    _form: F | None = None

    @property
    def form(self) -> F:
        """What the state consists of; the first call makes it."""
        record = self._record
        if record is not None:
            force_setattr(self, "_form", record.at(self._count))
            force_setattr(self, "_record", None)  # only now: another thread may be here
        form = self._form
        assert form is not None
        return form

    def __eq__(self, other: object) -> bool:
        return self.form == (cast("RecordedState[object]", other).form if isinstance(other, RecordedState) else other)

    def __hash__(self) -> int:
        return hash(self.form)

    def __repr__(self) -> str:
        return repr(self.form)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (None, 0, self.form)


class RecordedStates(Generic[C, F]):
    """The changes of *live*, which its owner changes.

    *make*: the form of a dict that is read, which is immutable. *apply*: the one after some changes.

    >>> from rxfeed.core.recorded_states import RecordedStates
    >>> from rxfeed.core.sorted_map import SortedMap
    >>> live = {2: "b"}
    >>> recorded = RecordedStates(
    ...     live, lambda live: SortedMap.of(live.items()), lambda found, changes: found.put(*changes[0]))
    >>> before, live[1] = recorded.state, "a"
    >>> recorded.changed((1, "a"))
    >>> list(before.form), list(recorded.state.form)
    ([(2, 'b')], [(1, 'a'), (2, 'b')])
    """

    __slots__ = ("_apply", "_live", "_make", "changes", "made", "most", "record")

    def __init__(
        self, live: dict[Any, Any], make: Callable[[dict[Any, Any]], F], apply: Callable[[F, list[C]], F]
    ) -> None:
        self._live, self._make, self._apply = live, make, apply
        self._begin(live.copy(), None)

    @property
    def state(self) -> RecordedState[F]:
        """The state as it is now."""
        state = self.made
        if state is None:
            state = self.made = RecordedState(self.record, len(self.changes))
        return state

    def changed(self, change: C) -> None:
        """*live* was changed so."""
        self.made = None
        self.changes.append(change)
        if len(self.changes) >= self.most:
            self.begin_anew()

    def begin_anew(self) -> None:
        """Begin another list of changes."""
        if self.record.was_read:
            self._begin(None, self.record.at(len(self.changes)))
        else:
            self._begin(self._live.copy(), None)

    def _begin(self, base: dict[Any, Any] | None, found: F | None) -> None:
        self.record: Record[C, F] = Record(base, found, self._make, self._apply)
        self.changes = self.record.changes
        """What was changed since the list began. Code that appends without a call sets `made` to `None`, too."""
        self.made: RecordedState[F] | None = None
        """The state as it is now, if it was needed."""
        self.most = max(_CHANGES, len(self._live) // 4)
        """The length at which the list of changes has to begin anew."""


class Record(Generic[C, F]):
    """The *changes* since a dict, or since what was made of it, and the form of the latest state that was read.

    Any thread may read: a change is only ever appended, and the last form is replaced as a whole.
    """

    __slots__ = ("_apply", "_base", "_first", "_last", "_make", "changes")

    def __init__(
        self,
        base: dict[Any, Any] | None,
        found: F | None,
        make: Callable[[dict[Any, Any]], F],
        apply: Callable[[F, list[C]], F],
    ) -> None:
        self.changes: list[C] = []
        self._base, self._first = base, found
        self._make, self._apply = make, apply
        self._last: tuple[int, F] | None = None

    @property
    def was_read(self) -> bool:
        return self._last is not None

    def at(self, count: int) -> F:
        """The form after the first *count* changes."""
        last = self._last
        if last is None or last[0] > count:
            base, found = self._base, self._first
            if found is None:
                assert base is not None
                found = self._first = self._make(base)
                self._base = None
            done = 0
        else:
            done, found = last
        if done < count:
            found = self._apply(found, self.changes[done:count])
        if last is None or last[0] < count:
            self._last = count, found
        return found
