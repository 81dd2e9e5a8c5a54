"""Applies the faults of a connection to its frames, without a socket or a clock: frames in, frames and faults out."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from operator import itemgetter

from rxfeed.errors import ConfigError
from rxfeed.sim import fault_types
from rxfeed.sim.fault_types import Fault, OfFrames
from rxfeed.sim.faults import Draw
from rxfeed.sim.frames import (
    Frame,
    Stream,
    Unnumbered,
    fragmented,
    is_plain,
    masked,
    oversized,
    text_frame,
    type_of,
)
from rxfeed.sim.ledger import FiredBuilder, FrameId, LedgerBuilder, Log
from rxfeed.sim.rest_faults import OfRequests

BAD_UTF8 = b'{"type":"ticker","product_id":"\xff\xfe"}'
ENDS = (fault_types.Close, fault_types.Reset, fault_types.Vanish, fault_types.HalfOpen, fault_types.SlowReaderKick)

Output = Frame | Stream | Fault
Identify = Callable[[Frame], FrameId]


class Script:
    """The faults of an exchange: for each connection its own, in the order in which they fire."""

    def __init__(self, faults: Fault | Draw | Iterable[Fault | Draw]) -> None:
        items = [faults] if isinstance(faults, Fault) or callable(faults) else faults
        if not isinstance(items, Iterable):
            raise ConfigError(f"faults: {faults!r} is no fault, no callable and no iterable of these")
        self.fixed: list[Fault] = []
        self._draws: list[Draw] = []
        for item in items:
            if isinstance(item, Fault):
                self.fixed.append(item)
            elif callable(item):
                self._draws.append(item)
            else:
                raise ConfigError(f"faults: {item!r} is no fault, and no callable that draws some")
        self.fixed.sort(key=_position)
        self.of_requests = [fault for fault in self.fixed if isinstance(fault, OfRequests)]

    def of(self, number: int) -> Iterator[Fault]:
        """The faults of connection *number*."""
        fixed = [fault for fault in self.fixed if not isinstance(fault, OfRequests)]
        faults = merge(fixed, *(draw(number) for draw in self._draws), key=_position)
        return (fault for fault in faults if fault.concerns(number))

    def may_fail_handshake(self, number: int) -> bool:
        """Whether there may be a fault of the handshake for connection *number*; what is drawn is not known before."""
        return bool(self._draws) or any(fault.at_handshake and fault.concerns(number) for fault in self.fixed)


class FaultInjector:
    """Applies the faults of *script* to the frames of one connection, and numbers those that have a number.

    Faults that stand for another order of the exchange's own frames come before the numbering: `EarlyData` and
    `LateSnapshot` leave no gap. *identify* reads the ids in a frame.

    `begin`, `step` and `inject` return, in order, frames to send and faults of the connection to carry out.
    `over`: the last fault ends the connection.
    """

    def __init__(
        self, number: int, script: Iterator[Fault], tally: LedgerBuilder, log: Log, identify: Identify
    ) -> None:
        self.frames = 0  # meant for the client until now
        self.over = False
        self._number = number
        self._next_number = 0  # of a frame
        self._identify = identify
        self._tally = tally
        self._log = log
        self._script = script
        self._next = next(script, None)
        self._injected: list[tuple[int, Fault]] = []  # (after, fault)
        self._treatments: list[Treatment] = []
        self._at_once = list(self._due())

    @property
    def held(self) -> int:
        """Frames that are kept for later."""
        return sum(treatment.held for treatment in self._treatments)

    def handshake(self) -> list[Fault]:
        """The faults that come before the connection is open."""
        faults = [fault for fault in self._at_once if fault.at_handshake]
        self._at_once = [fault for fault in self._at_once if not fault.at_handshake]
        for fault in faults:
            self._log.add(self._number, fault, 0)
        return faults

    def begin(self) -> list[Output]:
        """What happens when the connection opens."""
        return self._fire(self._at_once)

    def step(self, frame: Frame | Unnumbered) -> list[Output]:
        """The frames to send in place of *frame*, and the faults after it."""
        self.frames += 1
        outputs: list[Output] = [*self._treated(frame)] if self._treatments else [self._numbered(frame)]
        if self._next is not None or self._injected:
            outputs += self._fire(self._due())
        return outputs

    def inject(self, fault: Fault) -> list[Output]:
        """Apply *fault* now, or after so many more frames."""
        if fault.after:
            insort(self._injected, (self.frames + fault.after, fault), key=itemgetter(0))
            return []
        return self._fire([fault])

    def end(self, ends: Callable[[Fault], bool]) -> None:
        """Stop applying the faults that *ends* selects to frames."""
        self._treatments = [treatment for treatment in self._treatments if not ends(treatment.fault)]

    def _due(self) -> Iterator[Fault]:
        while self._injected and self._injected[0][0] <= self.frames:
            yield self._injected.pop(0)[1]
        while self._next is not None and _position(self._next) <= self.frames:
            fault, self._next = self._next, next(self._script, None)
            yield fault

    def _fire(self, faults: Iterable[Fault]) -> list[Output]:
        outputs: list[Output] = []
        for fault in faults:
            outputs += self._apply(fault, self._log.add(self._number, fault, self.frames))
            if self.over:
                break
        return outputs

    def _apply(self, fault: Fault, entry: FiredBuilder) -> list[Output]:
        if isinstance(fault, fault_types.MalformedFrame):
            payload = fault.payload
            return self._inserted(payload.encode() if isinstance(payload, str) else payload)
        if isinstance(fault, fault_types.BadUtf8):
            return self._inserted(BAD_UTF8)
        if isinstance(fault, fault_types.OversizedFrame):
            self._tally.inserted += 1
            return [oversized(fault.size)]
        if isinstance(fault, fault_types.SkipSequence):
            self._next_number += fault.count
        elif treatment := _treatment(fault, self._tally, entry, self._identify):
            self._treatments.append(treatment)
            self._treatments.sort(key=lambda each: each.rank)
        self.over = isinstance(fault, ENDS)
        return [fault]

    def _inserted(self, payload: bytes) -> list[Output]:
        self._tally.inserted += 1
        return [text_frame(type_of(payload), payload)]

    def _treated(self, frame: Frame | Unnumbered) -> list[Frame]:
        frames: list[Frame | Unnumbered] = [frame]
        for treatment in self._treatments:
            if treatment.rank:
                frames = [self._numbered(each) for each in frames]
            frames = [treated for each in frames for treated in treatment.apply(each)]
        self._treatments = [treatment for treatment in self._treatments if treatment.left]
        return [self._numbered(each) for each in frames]

    def _numbered(self, frame: Frame | Unnumbered) -> Frame:
        if isinstance(frame, Frame):
            return frame
        self._next_number += 1
        return frame.numbered(self._next_number - 1)


class Treatment:
    """A change of matching frames, *left* times.

    *rank*: 0 before frames are numbered, 2 for faults that make the payload unreadable.
    """

    def __init__(
        self, fault: Fault, left: float, tally: LedgerBuilder, entry: FiredBuilder, identify: Identify
    ) -> None:
        self.fault = fault
        self.left = left
        self.rank = 1
        if isinstance(fault, fault_types.EarlyData | fault_types.LateSnapshot):
            self.rank = 0
        elif isinstance(fault, fault_types.Fragmented | fault_types.Masked):
            self.rank = 2
        self._tally = tally
        self._entry = entry
        self._identify = identify

    @property
    def held(self) -> int:
        """How many frames are kept for later."""
        return 0

    def apply(self, frame: Frame | Unnumbered) -> list[Frame | Unnumbered]:
        """The frames to send in place of *frame*."""
        if not self.left or not self._matches(frame):
            return [frame]
        assert isinstance(frame, Frame)
        self.left -= 1
        return [*self._change(frame)]

    def _change(self, frame: Frame) -> list[Frame]:
        fault = self.fault
        if isinstance(fault, fault_types.Fragmented):
            return [frame._replace(wire=fragmented(frame.wire, fault.pieces))]
        if isinstance(fault, fault_types.Masked):
            return [frame._replace(wire=masked(frame.wire))]
        if not isinstance(fault, fault_types.Silence):
            self._note(frame)
        if isinstance(fault, fault_types.Duplicate):
            self._tally.duplicated += 1
            return [frame, frame]
        self._tally.dropped += 1
        return []

    def _note(self, frame: Frame | Unnumbered) -> None:
        """Log the ids of a frame that is changed; one without a number has none in the log either."""
        if isinstance(frame, Unnumbered):
            ids = self._identify(frame.numbered(0))._replace(sequence=None)
        else:
            ids = self._identify(frame)
        self._entry.concerned.append(ids)

    def _matches(self, frame: Frame | Unnumbered) -> bool:
        """True if the fault applies to *frame*."""
        fault = self.fault
        if isinstance(fault, fault_types.EarlyData):
            return frame.type == "subscriptions"
        if isinstance(fault, fault_types.LateSnapshot):
            return frame.snapshot
        if not isinstance(fault, OfFrames):
            return True
        # Frames that are fragmented or masked already are not changed.
        assert isinstance(frame, Frame)
        if not is_plain(frame.wire) or (fault.types is not None and frame.type not in fault.types):
            return False
        return fault.product_id is None or self._identify(frame).product_id == fault.product_id


class Delay(Treatment):
    """Delays one frame until so many others were sent."""

    _frame: Frame | Unnumbered | None = None

    @property
    def held(self) -> int:
        return self._frame is not None and self.left > 0

    def apply(self, frame: Frame | Unnumbered) -> list[Frame | Unnumbered]:
        if not self.left:
            return [frame]
        if self._frame is None:
            if not self._matches(frame):
                return [frame]
            self._frame = frame
            self._tally.reordered += 1
            self._note(frame)
            return []
        if isinstance(self.fault, fault_types.EarlyData | fault_types.LateSnapshot):
            passes = frame.type not in ("subscriptions", "error")
        else:
            passes = self._matches(frame)
        self.left -= passes
        if self.left:
            return [frame]
        held = self._frame
        if isinstance(self.fault, fault_types.LateSnapshot) and held.again is not None:
            held = held.again()
        return [frame, held]


def _treatment(fault: Fault, tally: LedgerBuilder, entry: FiredBuilder, identify: Identify) -> Treatment | None:
    """The change of frames by *fault*, if it is a fault of frames."""
    match fault:
        case fault_types.Silence():
            return None if fault.hold else Treatment(fault, float("inf"), tally, entry, identify)
        case fault_types.EarlyData() | fault_types.LateSnapshot():
            return Delay(fault, fault.count, tally, entry, identify)
        case fault_types.Reorder():
            return Delay(fault, fault.distance, tally, entry, identify)
        case fault_types.Drop() | fault_types.Duplicate() | fault_types.Fragmented() | fault_types.Masked():
            return Treatment(fault, fault.count, tally, entry, identify)
    return None


def frames_in(outputs: Iterable[Output]) -> int:
    """How many of them are frames."""
    return sum(not isinstance(each, Fault) for each in outputs)


def _position(fault: Fault) -> int:
    return fault.after or 0
