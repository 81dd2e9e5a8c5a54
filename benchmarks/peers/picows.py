"""picows, a WebSocket client in C, and msgspec: what Python can do at most."""

from __future__ import annotations

import asyncio

import msgspec
import picows  # pyright: ignore[reportMissingImports]  # in this client's own environment

from benchmarks.peers.harness import Job, Meter, run


def to_dict(job: Job, meter: Meter) -> None:
    """Each frame decoded to a dict where picows hands it over, no pipeline."""
    decode = msgspec.json.Decoder().decode

    class Listener(picows.WSListener):
        def on_ws_connected(self, transport: picows.WSTransport) -> None:
            transport.send(picows.WSMsgType.TEXT, b"{}")

        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            if frame.msg_type == picows.WSMsgType.TEXT:
                decode(frame.get_payload_as_memoryview())
                if meter.tick():
                    transport.disconnect()

    async def listen() -> None:
        transport, _ = await picows.ws_connect(Listener, job.url)
        await transport.wait_disconnected()

    asyncio.run(listen())


if __name__ == "__main__":
    run(to_dict)
