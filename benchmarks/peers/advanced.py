"""coinbase-advanced-py's WSClient, with the `json.loads` that its users call in the callback."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

from benchmarks.peers.harness import Job, Meter, run

websocket: Any = import_module("coinbase.websocket")  # installed in this client's environment only


def on_message(job: Job, meter: Meter) -> None:
    """The callback's text, as a dict."""

    def loaded(text: str) -> None:
        json.loads(text)
        meter.tick()

    client = websocket.WSClient(base_url=job.url, on_message=loaded, retry=False)
    client.open()
    client.subscribe(["BTC-USD"], ["ticker"])
    meter.over.wait()


if __name__ == "__main__":
    run(on_message)
