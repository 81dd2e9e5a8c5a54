"""What one would write without any of them: loops over a socket, with rxfeed's types for the messages."""

from __future__ import annotations

import socket
import time
from typing import Any

import websocket

from benchmarks.peers.harness import Job, Meter, run
from benchmarks.wire import cut
from rxfeed.protocol import Decoder


def websocket_client(job: Job, meter: Meter) -> None:
    """websocket-client's own recv, and a typed decode."""
    client = websocket.create_connection(job.url, skip_utf8_validation=True)
    client.send("{}")
    receive, decode = client.recv_data, Decoder().decode
    while True:
        decode(receive()[1])
        if meter.tick():
            break
    client.close(timeout=0)


def bare_loop(job: Job, meter: Meter) -> None:
    """Large socket reads, frames cut from the buffer, a typed decode."""
    _bare(job, meter, 1 << 18)


def bare_loop_64k(job: Job, meter: Meter) -> None:
    """The same, reading no more at once than malloc serves without a system call."""
    _bare(job, meter, 1 << 16)


def _bare(job: Job, meter: Meter, size: int) -> None:
    sock = _opened(job)
    decode, rest, over = Decoder().decode, b"", False
    while not over:
        payloads, rest = cut(rest + sock.recv(size))
        for payload in payloads:
            decode(payload)
            over = meter.tick()
    sock.close()


def drain(job: Job, meter: Meter) -> dict[str, Any]:
    """Reads the bytes and does nothing with them: what the server is capable of."""
    left, buffer = job.more["bytes"], bytearray(1 << 20)
    sock = _opened(job)
    begun = time.monotonic_ns()
    while left:
        left -= sock.recv_into(buffer)
    seconds = (time.monotonic_ns() - begun) / 1e9
    sock.close()
    while not meter.tick():
        pass
    return {"seconds": seconds}


def _opened(job: Job) -> socket.socket:
    client = websocket.create_connection(job.url)
    client.send("{}")
    assert client.sock is not None
    return client.sock


if __name__ == "__main__":
    run(websocket_client, bare_loop, bare_loop_64k, drain)
