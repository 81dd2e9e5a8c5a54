"""picows, a WebSocket client in C, and msgspec: the upper limit for Python."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

import msgspec

from benchmarks.peers.harness import Job, Meter, run

picows: Any = import_module("picows")  # installed in this client's environment only

# Bytes; with the 16 KiB that are the default, it reads half as many messages a second.
_BUFFER = 1 << 18


def to_dict(job: Job, meter: Meter) -> None:
    """Decodes each frame of picows to a dict, without a pipeline."""
    decode = msgspec.json.Decoder().decode

    class Listener(picows.WSListener):
        def on_ws_connected(self, transport: Any) -> None:
            transport.send(picows.WSMsgType.TEXT, b"{}")

        def on_ws_frame(self, transport: Any, frame: Any) -> None:
            if frame.msg_type == picows.WSMsgType.TEXT:
                decode(frame.get_payload_as_memoryview())
                if meter.tick():
                    transport.disconnect()

    async def listen() -> None:
        transport, _ = await picows.ws_connect(Listener, job.url, read_buffer_init_size=_BUFFER)
        await transport.wait_disconnected()

    asyncio.run(listen())


if __name__ == "__main__":
    run(to_dict)
