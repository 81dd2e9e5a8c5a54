"""The connection of one client: its backlog, the sending, and its faults."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any, cast

from rxfeed.core import in_seconds
from rxfeed.errors import needs_extra
from rxfeed.sim import fault_types
from rxfeed.sim.fault_injector import Output, frames_in
from rxfeed.sim.fault_types import Fault
from rxfeed.sim.frames import Frame, Stream, Unnumbered

with needs_extra("sim", "rxfeed.sim"):
    from websockets.asyncio.server import ServerConnection
    from websockets.frames import Close, Opcode
    from websockets.frames import Frame as WebSocketFrame
    from websockets.protocol import Event, State

if TYPE_CHECKING:
    from rxfeed.sim.clients import Clients

CHUNK = 64 * 1024  # bytes that are written to a socket at once
CLOSING = 10.0  # seconds that a client has to read up to a close frame and answer it
PONG = b"\x8a"  # the first byte of a pong
NO_CODE = 1005  # how an empty close frame is called
RESET = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)  # SO_LINGER: on, for no time


class ClientConnection(ServerConnection):
    """The connection of one client. Frames are queued one by one, and many are written to the socket at once.

    Frames that the socket does not accept stay in a backlog. If the backlog grows beyond its limit, the client receives
    `ErrSlowConsume` and is disconnected. Faults are applied before the backlog; those that end the connection wait in
    the backlog.
    """

    def __init__(self, clients: Clients, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.number = 0
        self.backlog: deque[Output] = deque()
        self.blocked = False
        self.subscribed = False
        self.ignores_input = False  # what the client sends is ignored
        self.pings = 0
        self.rejection: fault_types.HttpStatus | None = None
        self._made = False
        self._early = b""  # read before the connection is made
        self._leaving = False
        self._mute = False  # no pongs
        self._streaming = False  # a part of a frame is written
        self._refusals: list[fault_types.RefusedChannel] = []
        self._timers: list[asyncio.TimerHandle] = []
        self._clients = clients
        clients.known.add(self)

    @property
    def is_open(self) -> bool:
        """Whether frames can still be sent to the client."""
        if self._leaving or self.protocol.state is not State.OPEN:
            return False
        return not self.transport.is_closing()

    def begin(self) -> None:
        """The connection is open: apply the faults that are due at once."""
        self._queue(self._injector.begin())
        self.pump()

    def offer(self, frame: Frame | Unnumbered) -> None:
        """Queue *frame* to be sent, after the faults were applied to it."""
        if self._injector.over or not self.is_open:
            return
        self._queue(self._injector.step(frame))
        if len(self.backlog) > self._clients.limit and not self._injector.over:
            self.pump()
            if len(self.backlog) > self._clients.limit:
                self._disconnect_slow_reader()

    def refusal(self, channel: str) -> str | None:
        """The error text that the next subscription to *channel* gets in place of frames, if a fault refuses it."""
        for place, fault in enumerate(self._refusals):
            if fault.channel in (None, channel):
                del self._refusals[place]
                return fault.message
        return None

    def inject(self, fault: Fault) -> None:
        """Apply *fault*, now or after its number of frames."""
        if self.is_open and not self._injector.over:
            self._queue(self._injector.inject(fault))
            self.pump()

    def pump(self) -> None:
        """Write the backlog to the socket, as far as the socket accepts it."""
        while self.backlog and self.is_open and not self.blocked:
            if chunk := b"".join(self._chunk()):
                self.transport.write(chunk)
                if not self._streaming:
                    self.send_data()
            elif isinstance(self.backlog[0], fault_types.Silence):
                break
            else:
                self._end(cast("Fault", self.backlog.popleft()))
        if not self.is_open:
            self.lose()
        self._clients.changed()

    def _chunk(self) -> Iterator[bytes]:
        """The next bytes for the socket; nothing if a fault is next."""
        space = CHUNK
        while self.backlog and space > 0:
            frame = self.backlog[0]
            if isinstance(frame, Fault):
                return
            if isinstance(frame, Stream) and (piece := next(frame.pieces, None)):
                self._streaming = True
            else:
                self._streaming = False
                piece = frame.wire
                if isinstance(frame, Frame):
                    self.tally.count(frame.type, frame.kind, frame.messages)
                else:
                    self.tally.count(frame.type)
                self.backlog.popleft()
            space -= len(piece)
            yield piece

    def close_soon(self, code: int, reason: str) -> None:
        """Send a close frame, and end the connection soon after; what is in the backlog is not sent."""
        if self.is_open:
            self._leave()
            self._clients.keep(self.loop.create_task(self.close(code, reason)))
            self._clients.changed()

    def lose(self) -> None:
        """Discard frames that cannot be sent any more, and count them as lost."""
        if self._made:
            self.tally.lost += frames_in(self.backlog) + self._injector.held
            self.backlog.clear()
            self._injector.end(lambda fault: True)

    def _leave(self) -> None:
        self._leaving = True
        self.lose()

    def _disconnect_slow_reader(self) -> None:
        if not self._streaming:
            self.tally.count("error")
            self.transport.write(self._clients.slow_consumer)
        self.close_soon(1008, "ErrSlowConsume")

    # Faults

    def _queue(self, outputs: list[Output]) -> None:
        """Queue what is to be sent and what ends the connection; carry out the other faults."""
        for output in outputs:
            match output:
                case fault_types.Reset():
                    self.pump()
                    self._reset()
                case fault_types.Silence():
                    if output.hold:
                        self.backlog.append(output)
                    if output.seconds is not None:
                        self._later(in_seconds(output.seconds), partial(self._end_silence, output))
                case fault_types.NoPong():
                    self._mute = True
                case fault_types.RefusedChannel():
                    self._refusals += [output] * output.count
                case fault_types.Recover():
                    self._mute = False
                    self._end_silence(None)
                    self._clients.listen()
                case fault_types.Refuse():
                    self._clients.refuse(in_seconds(output.seconds))
                case fault_types.ClockJump():
                    self._clients.jump(in_seconds(output.seconds))
                case fault_types.Close() | fault_types.Vanish() | fault_types.HalfOpen() | fault_types.SlowReaderKick():
                    self._cut_at_silence()
                    self.backlog.append(output)
                case Frame() | Stream():
                    self.backlog.append(output)

    def _cut_at_silence(self) -> None:
        """The connection ends: frames that a silence holds back are lost."""
        sent = list(takewhile(lambda each: not isinstance(each, fault_types.Silence), self.backlog))
        self.tally.lost += frames_in(self.backlog) - frames_in(sent)
        self.backlog = deque(sent)

    def _end(self, fault: Fault) -> None:
        """End the connection in the way of *fault*."""
        if isinstance(fault, fault_types.SlowReaderKick):
            self.tally.inserted += 1
            self._disconnect_slow_reader()
            return
        self._leave()
        if isinstance(fault, fault_types.Close):
            self._close(fault.code, fault.reason)
        elif isinstance(fault, fault_types.Vanish):
            self.ignores_input = True
            self._finish()
        else:
            assert isinstance(fault, fault_types.HalfOpen)
            self.ignores_input = True
            self.transport.pause_reading()
            self._clients.half_open.add(self)

    def _close(self, code: int | None, reason: str) -> None:
        """As the protocol's `send_close`, but without the check of the code."""
        payload = b"" if code is None else struct.pack("!H", code) + reason.encode()
        self.protocol.send_frame(WebSocketFrame(Opcode.CLOSE, payload))
        self.protocol.close_sent = Close(NO_CODE if code is None else code, reason)
        self.protocol.state = State.CLOSING
        self.send_data()
        self._clients.keep(self.loop.create_task(self.close()))  # waits for the answer

    def _reset(self) -> None:
        self._leave()
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.transport.abort()

    def _finish(self) -> None:
        """Send FIN after the written data; close when the client does, or after a time-out."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()
        self._later(CLOSING, self.transport.abort)

    def _end_silence(self, fault: fault_types.Silence | None) -> None:
        """End one silence, or all."""

        def ends(each: object) -> bool:
            return each is fault if fault else isinstance(each, fault_types.Silence)

        self._injector.end(ends)
        self.backlog = deque(each for each in self.backlog if not ends(each))
        self.pump()

    def _later(self, seconds: float, call: Callable[[], object]) -> None:
        self._timers.append(self.loop.call_later(seconds, call))

    # asyncio.Protocol: the callbacks of a connection.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.number, self._injector, self.tally = self._clients.admit()
        delay = 0.0
        if not self._clients.allowed():
            self.rejection = fault_types.HttpStatus(429)
        for fault in self._injector.handshake() + self._clients.claimed(self.number):
            match fault:
                case fault_types.SlowHandshake():
                    delay += in_seconds(fault.seconds)
                case fault_types.HttpStatus():
                    self.rejection = fault
                case fault_types.Reset():
                    return self._reset()
                case fault_types.Vanish():
                    return self._finish()
                case fault_types.HalfOpen():
                    self._clients.half_open.add(self)
                    return self.transport.pause_reading()
        if delay:
            self.transport.pause_reading()
            self._later(delay, self._wake)
        else:
            self._wake()
        return None

    def _wake(self) -> None:
        self._made = True
        self.transport.resume_reading()
        super().connection_made(self.transport)
        if self._early:
            self.data_received(self._early)

    def early_data(self, data: bytes) -> None:
        """Take what was read before `connection_made`."""
        if self._made:
            self.data_received(data)
        else:
            self._early = data

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in self._timers:
            timer.cancel()
        self._clients.half_open.discard(self)
        if self._made:
            self.lose()
            super().connection_lost(exc)
        self._clients.counters.close(self.number)

    def data_received(self, data: bytes) -> None:
        if self._made and not self.ignores_input:
            super().data_received(data)

    def send_data(self) -> None:
        if self._mute:
            self.protocol.writes = [data for data in self.protocol.writes if not data.startswith(PONG)]
        if not self._streaming:
            super().send_data()
        elif self.protocol.state is not State.OPEN:
            # In the middle of a frame, where no close frame can be.
            self.protocol.data_to_send()
            self._finish()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.blocked = True

    def resume_writing(self) -> None:
        super().resume_writing()
        self.blocked = False
        self.pump()

    def process_event(self, event: Event) -> None:
        if getattr(event, "opcode", None) is Opcode.PING:
            self.pings += 1
        super().process_event(event)
