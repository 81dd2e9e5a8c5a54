"""A server in a process of its own that sends prepared frames faster than any client reads them, or at a given pace.

The path of a client's URL selects the messages: `/?count=200000` at full speed, `/?count=25000&rate=5000` at an even
pace, one message a packet, `/?count=25000&rate=5000&burst=50` fifty at once.

The pace is an open loop: a message is due by the clock, whether or not the client has read the earlier ones. Its send
time is the time at which it was due, not the time at which the socket had room. So a client that was delayed is late
for all messages of the delay.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import select
import socket
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate
from multiprocessing.connection import Connection
from urllib.parse import parse_qsl

from benchmarks.frames import rounds
from benchmarks.wire import Inbox, accept, framed

_CHUNK = 1 << 18
_LEAVE = 5.0  # seconds for a client to disconnect after its last message
_SET_TIMER_SLACK = 29


class Blaster:
    """The benchmark's view of its server."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.port: int = pipe.recv()
        self._ends = self._array()

    def url(self, count: int, rate: int = 0, burst: int = 1) -> str:
        return f"ws://127.0.0.1:{self.port}/?count={count}&rate={rate}&burst={burst}"

    def sent(self) -> array[int]:
        """When each message of the paced run that has ended was sent, in nanoseconds of the monotonic clock.

        If the client disconnected early, only the messages that were sent; without a client, none.
        """
        return self._array() if self._pipe.poll(_LEAVE + 5) else array("q")

    def size(self, count: int) -> int:
        """The bytes of the first *count* frames, prepared ones."""
        return self._ends[count]

    def _array(self) -> array[int]:
        numbers: array[int] = array("q")
        numbers.frombytes(self._pipe.recv_bytes())
        return numbers


@contextmanager
def blaster(payloads: Sequence[bytes], prepared: int) -> Iterator[Blaster]:
    """A server of *payloads*, round after round; *prepared* messages are framed in advance, others while sending."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_serve, args=(list(payloads), prepared, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Blaster(ours)
    finally:
        process.kill()
        process.join()
        ours.close()


class Tape:
    """Consecutive frames, and the end of each; frames beyond the prepared ones are made on request."""

    def __init__(self, payloads: Sequence[bytes], prepared: int) -> None:
        self._rounds = rounds(payloads)
        made: list[bytes] = []
        while len(made) < prepared:
            made.extend(map(framed, next(self._rounds)))
        self.prepared = len(made)
        self.blob = memoryview(b"".join(made))
        self.ends = array("q", accumulate(map(len, made), initial=0))

    def chunks(self, count: int) -> Iterator[memoryview]:
        """The first *count* frames, some hundred kilobytes at once, never a part of a frame."""
        start, until = 0, min(count, self.prepared)
        while start < until:
            stop = start
            while stop < until and self.ends[stop] - self.ends[start] < _CHUNK:
                stop += min(100, until - stop)
            yield self.blob[self.ends[start] : self.ends[stop]]
            start = stop
        while start < count:  # only once a tape: the rounds continue from here
            frames = next(self._rounds)[: count - start]
            start += len(frames)
            yield memoryview(b"".join(map(framed, frames)))


def _serve(payloads: list[bytes], prepared: int, pipe: Connection) -> None:
    with suppress(OSError, AttributeError):  # sleep to the microsecond, where the system can
        ctypes.CDLL(None).prctl(_SET_TIMER_SLACK, 1, 0, 0, 0)
    tape = Tape(payloads, prepared)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pipe.send(listener.getsockname()[1])
        pipe.send_bytes(tape.ends.tobytes())
        while True:
            sock, _ = listener.accept()
            with sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                times: array[int] | None = None
                with suppress(OSError, StopIteration):
                    guest = Guest(sock)
                    count, rate = guest.plan["count"], guest.plan["rate"]
                    if rate:
                        times = array("q", bytes(8 * count))
                        pace(guest, tape, count, rate, guest.plan["burst"], times)
                    else:
                        for chunk in tape.chunks(count):
                            guest.answer()
                            guest.give(chunk)
                    guest.see_off()
                if times is not None:
                    pipe.send_bytes(array("q", filter(None, times)).tobytes())


class Guest:
    """A connected client: it is accepted, its pings are answered, its close is processed."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._inbox = Inbox()
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += self._heard()
        sock.sendall(accept(request))
        query = request.split(b" ", 2)[1].partition(b"?")[2].decode()
        self.plan = {name: int(value) for name, value in parse_qsl(query)}
        # The subscription, and the bytes received with it.
        self._pongs = self._inbox.feed(self._heard())
        sock.setblocking(False)

    def _heard(self) -> bytes:
        data = self.sock.recv(1 << 16)
        if not data:
            raise ConnectionResetError
        return data

    def listen(self, seconds: float, *, until_writable: bool = False) -> None:
        """Wait so long, or until the client sends something; raises `OSError` after it has disconnected."""
        readable, _, _ = select.select([self.sock], [self.sock] if until_writable else [], [], max(0.0, seconds))
        if readable:
            self._pongs += self._inbox.feed(self._heard())
            if self._inbox.closed:
                raise ConnectionResetError

    def answer(self) -> None:
        """Send the pongs that are due; between two frames."""
        pongs, self._pongs = self._pongs, b""
        if pongs:
            self.give(memoryview(pongs))

    def give(self, data: memoryview) -> None:
        """Send all of it and read meanwhile: otherwise a client that sends much could block while the server blocks."""
        position = 0
        while position < len(data):
            position += self.offer(data[position:])
            self.listen(0 if position == len(data) else _LEAVE, until_writable=True)

    def see_off(self) -> None:
        until = time.monotonic() + _LEAVE
        while (left := until - time.monotonic()) > 0:
            self.listen(left)
            self.answer()

    def offer(self, data: memoryview) -> int:
        """Send as many bytes as the socket accepts, and return their number."""
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0


def pace(guest: Guest, tape: Tape, count: int, rate: int, burst: int, times: array[int]) -> None:
    ends, blob, now = tape.ends, tape.blob, time.monotonic_ns
    step = 1_000_000_000 * burst // rate
    start, released, position = now(), 0, 0
    while position < ends[count]:
        backlog = position < ends[released]
        due = start + released // burst * step if released < count else now() + step
        guest.listen((due - now()) / 1e9, until_writable=backlog)
        if backlog:
            position += guest.offer(blob[position : ends[released]])
        until = min(count, ((now() - start) // step + 1) * burst)
        # A packet of its own for each message, or one for the burst.
        for first in range(released, until, burst):
            released = min(first + burst, until)
            times[first:released] = array("q", [now()]) * (released - first)
            if position == ends[first]:
                position += guest.offer(blob[position : ends[released]])
        if position == ends[released]:
            guest.answer()
