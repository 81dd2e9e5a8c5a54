"""cbpro's WebsocketClient, as its users have it: a subclass with an `on_message`."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any

from benchmarks.peers.harness import Job, Meter, run

cbpro: Any = import_module("cbpro")  # installed in this client's environment only
_MINUTE = timedelta(minutes=1)


def on_message(job: Job, meter: Meter) -> None:
    """`on_message(dict)`, and nothing in it but the count."""

    class Counting(cbpro.WebsocketClient):
        def on_message(self, msg: dict[str, Any]) -> None:
            if meter.tick():
                self.stop = True

    _run(Counting, job, meter)


def window_crossing(job: Job, meter: Meter) -> None:
    """A minute's volume by product, and a price crossing, as plain code in `on_message`."""

    class Watching(cbpro.WebsocketClient):
        def on_open(self) -> None:
            self.windows: dict[str, tuple[datetime, Decimal]] = {}
            self.done: list[tuple[str, datetime, Decimal]] = []
            self.level = Decimal(job.more["level"])
            self.above: bool | None = None
            self.crossings: list[Decimal] = []

        def on_message(self, msg: dict[str, Any]) -> None:
            kind = msg["type"]
            if kind == "match":
                self.add(msg["product_id"], datetime.fromisoformat(msg["time"]), Decimal(msg["size"]))
            if kind in ("match", "ticker") and msg["product_id"] == job.more["product"]:
                self.price(Decimal(msg["price"]))
            if meter.tick():
                self.stop = True

        def add(self, product: str, time: datetime, size: Decimal) -> None:
            start, volume = self.windows.get(product, (time, Decimal(0)))
            if time - start >= _MINUTE:
                self.done.append((product, start, volume))
                start, volume = time, Decimal(0)
            self.windows[product] = (start, volume + size)

        def price(self, price: Decimal) -> None:
            above = price > self.level
            if self.above is not None and above is not self.above:
                self.crossings.append(price)
            self.above = above

    _run(Watching, job, meter)


def _run(client: Any, job: Job, meter: Meter) -> None:
    client(
        url=job.url, products=["BTC-USD"], channels=["level2_batch", "ticker", "matches"], should_print=False
    ).start()
    meter.over.wait()


if __name__ == "__main__":
    run(on_message, window_crossing)
