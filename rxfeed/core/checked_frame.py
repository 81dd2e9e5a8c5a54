"""The results of the checks of a frame with several messages."""

from __future__ import annotations

from typing import Protocol

import msgspec

from rxfeed.market import Message


class CheckedFrame(msgspec.Struct, frozen=True, gc=False):
    """The *messages* of a frame, as they are to be delivered, with their *epochs*; `None`: not to be delivered now.

    *repaired*: the places of trades from before the connection that were missed, and so are new ones. *held*: the
    places of messages that are held, and are delivered or dropped later. The others without an epoch are duplicates.
    """

    messages: tuple[Message, ...]
    epochs: tuple[int | None, ...]
    repaired: tuple[int, ...] = ()
    held: tuple[int, ...] = ()


class Detector(Protocol):
    """What a `FrameCheck` uses of a `GapDetector`."""

    held: Message | None
    released: list[Message]

    def epoch_of(self, message: Message) -> int: ...


class FrameCheck:
    """Collects the results for one frame's messages, in order; a message may be held until a later one of the frame."""

    __slots__ = ("_detector", "_epochs", "_held", "_messages")

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._messages: list[Message] = []
        self._epochs: list[int | None] = []
        self._held: dict[int, Message] = {}

    def add(self, message: Message, fresh: bool) -> None:
        """Add *message*, which was checked last; *fresh*: it is to be delivered."""
        detector, place = self._detector, len(self._messages)
        self._messages.append(message)
        self._epochs.append(detector.epoch_of(message) if fresh else None)
        if detector.held is message:
            self._held[place], detector.held = message, None
        if self._held and detector.released:
            for each in [each for each, held in self._held.items() if _among(held, detector.released)]:
                held = self._held.pop(each)
                detector.released = [message for message in detector.released if message is not held]
                self._epochs[each] = detector.epoch_of(held)

    def result(self, repaired: tuple[int, ...] = ()) -> CheckedFrame:
        return CheckedFrame(tuple(self._messages), tuple(self._epochs), repaired, tuple(self._held))


def _among(message: Message, messages: list[Message]) -> bool:
    return any(each is message for each in messages)
