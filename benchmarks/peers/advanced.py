"""coinbase-advanced-py's WSClient, with the `json.loads` that everybody writes into its callback."""

from __future__ import annotations

import json

from coinbase.websocket import WSClient  # pyright: ignore[reportMissingImports]  # in this client's own environment

from benchmarks.peers.harness import Job, Meter, run


def on_message(job: Job, meter: Meter) -> None:
    """The callback's text, as a dict."""

    def loaded(text: str) -> None:
        json.loads(text)
        meter.tick()

    client = WSClient(base_url=job.url, on_message=loaded, retry=False)
    client.open()
    client.subscribe(["BTC-USD"], ["ticker"])
    meter.over.wait()


if __name__ == "__main__":
    run(on_message)
