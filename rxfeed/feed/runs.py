"""Runs: messages that the machine of their only observer takes in one call.

Rules:
- The messages of a run follow each other, have one observer, and nothing else is called between them: no other
  observer, no status, no function after a delivery.
- Up to an output, the machine takes messages without any other call. Before the output is emitted, the messages so far
  are counted. So a subscriber finds everything as if it were called with one message after the other.
- An output may change what follows: a subscriber may close the feed, or subscribe to more. So the caller decides
  after each output whether the run continues.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import length_hint
from typing import Any, cast

from reactivex import abc

from rxfeed.feed.message_router import MessageRouter, Route
from rxfeed.market import Message
from rxfeed.operators import TakesMany


class Run:
    """The *messages* of a run, which have origins, and the *routes* of each. *router* removes *observer* if it raises.

    After `advance`, *place* messages have been taken and counted.
    """

    __slots__ = ("_batch", "_failure", "_items", "_messages", "_observer", "_outputs", "_router", "_routes", "place")

    def __init__(
        self, router: MessageRouter, observer: TakesMany, messages: Sequence[Message], routes: Sequence[Route]
    ) -> None:
        assert observer.batch is not None, "the observer takes one message at a time"
        self._router, self._observer, self._batch = router, observer, observer.batch
        self._messages, self._routes = messages, routes
        self._items = iter(messages)
        self._outputs: Sequence[Any] = ()
        self._failure: Exception | None = None
        self.place = 0

    def advance(self) -> bool:
        """Take messages up to the first with outputs, which are to be emitted then; False if there are none."""
        count, before = len(self._messages), self.place
        while self.place < count:
            try:
                self._outputs = self._batch.take(self._items)
            except Exception as error:
                self._failure = error
            place = count - length_hint(self._items)
            if place == self.place and not self._outputs:  # so that a machine that takes nothing does not stop the feed
                self._failure = self._failure or RuntimeError("step_many took no item of those that were given")
                next(self._items)
                place += 1
            self.place = place
            if self._outputs or self._failure is not None:
                break
        for route in self._routes[before : self.place]:
            route.count += 1
        return bool(self._outputs) or self._failure is not None

    def emit(self) -> None:
        """Emit what the last message has caused."""
        outputs, failure = self._outputs, self._failure
        self._outputs, self._failure = (), None
        _, emit, fail = self._batch
        try:
            if failure is not None:
                fail(failure)
            for output in outputs:
                emit(output)
        except Exception as error:
            self._router.remove_failed(cast("abc.ObserverBase[Message]", self._observer), error)

    def rest(self) -> Sequence[Message]:
        """The messages that were not taken."""
        return self._messages[self.place :]
