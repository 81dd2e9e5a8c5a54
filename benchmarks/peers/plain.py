"""Loops over a socket without a client library, with rxfeed's types for the messages."""

from __future__ import annotations

import socket
import time
from typing import Any

import websocket

from benchmarks.peers.harness import Job, Meter, run
from benchmarks.wire import cut
from rxfeed.venues.coinbase_exchange import ExchangeDecoder


def websocket_client(job: Job, meter: Meter) -> None:
    """websocket-client's own recv, and a typed decode."""
    client = websocket.create_connection(job.url, skip_utf8_validation=True)
    client.send("{}")
    receive, decode = client.recv_data, ExchangeDecoder().decode
    while True:
        decode(receive()[1])
        if meter.tick():
            break
    client.close(timeout=0)


def bare_loop(job: Job, meter: Meter) -> None:
    """Large socket reads, frames cut from the buffer, a typed decode."""
    sock = _opened(job)
    decode, rest, over = ExchangeDecoder().decode, b"", False
    while not over:
        # Larger reads are slower: with some layouts of the heap, malloc maps and unmaps memory for each.
        payloads, rest = cut(rest + sock.recv(1 << 16))
        for payload in payloads:
            decode(payload)
            over = meter.tick()
    sock.close()


def drain(job: Job, meter: Meter) -> dict[str, Any]:
    """Reads the bytes without processing them: the maximum of the server."""
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
    run(websocket_client, bare_loop, drain)
