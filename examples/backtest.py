"""Test a small market maker against a recording, with several latencies, and compare its profits.

Run: python examples/backtest.py recordings/ --latency 0 0.05 0.5 --fee 0.1
Run: python examples/backtest.py

It bids and offers around the mid, and quotes anew when that moves; its orders go to the local exchange's matching
engine, in which the recording stands (rxfeed/backtest/market.py has what they get). Strategy and recording are the
same: only the time differs that an order, and a cancel, takes. Every fill is a maker's: its orders never take.
Without a folder, an hour of the local exchange is recorded first, which takes some seconds.
Needs zstandard and websockets: pip install ".[record,sim]"
"""

import argparse
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from shared.market import add_venue, recording

from rxfeed import Message, Replay
from rxfeed.backtest import PaperDone, PaperEvent, PaperFill, PaperMarket
from rxfeed.market import Side

ZERO = Decimal(0)


class Account:
    """The position and cash after fills, exactly."""

    def __init__(self) -> None:
        self.fills = 0
        self.volume = self.position = self.cash = self.fees = self.most = ZERO

    def book(self, fill: PaperFill) -> None:
        signed = fill.size if fill.side == "buy" else -fill.size
        self.fills += 1
        self.volume += fill.size
        self.position += signed
        self.cash -= signed * fill.price
        self.fees += fill.fee
        self.most = max(self.most, abs(self.position))

    def profit(self, mid: Decimal) -> Decimal:
        """The profit before fees, with the position valued at *mid*."""
        return self.cash + self.position * mid


class MarketMaker:
    """Keeps one order on each side, *edge* (a fraction) from the mid; at a position of *most* it quotes one side only.

    What it holds moves its quotes, by up to a quarter of the edge, towards getting rid of it. An order that is off by
    a twentieth of the edge is canceled, and another one sent.
    """

    def __init__(self, market: PaperMarket, edge: Decimal, size: Decimal, most: Decimal) -> None:
        self.account = Account()
        self.mid: Decimal | None = None
        self._market = market
        self._edge, self._size, self._most = edge, size, most
        self._quotes: dict[Side, tuple[str, Decimal] | None] = {"buy": None, "sell": None}

    def step(self, message: Message) -> None:
        self._hear(self._market.step(message))
        book = self._market.book
        if book is None or book.best_bid is None or book.mid is None:
            return  # at a gap all orders are canceled, and none is accepted: see PaperMarket
        self.mid, held = book.mid, self.account.position
        edge = self._edge * book.mid
        fair, tick = book.mid - edge / 4 * held / self._most, book.best_bid[0]
        self._quote("buy", (fair - edge).quantize(tick), edge / 20, held < self._most)
        self._quote("sell", (fair + edge).quantize(tick), edge / 20, held > -self._most)

    def finish(self) -> None:
        self._hear(self._market.finish())

    def _hear(self, events: Iterable[PaperEvent]) -> None:
        for event in events:
            if isinstance(event, PaperFill):
                self.account.book(event)
            elif isinstance(event, PaperDone):
                for side, quote in self._quotes.items():
                    if quote is not None and quote[0] == event.order_id:
                        self._quotes[side] = None

    def _quote(self, side: Side, price: Decimal, near: Decimal, wanted: bool) -> None:
        quote = self._quotes[side]
        if quote is not None and (abs(quote[1] - price) > near or not wanted):
            self._market.cancel(quote[0])
            quote = self._quotes[side] = None
        if quote is None and wanted:
            self._quotes[side] = (self._market.limit(side, price, self._size, post_only=True), price)


def trade(folder: Path, product: str, latencies: list[float], fee: Decimal, **rules: Decimal) -> list[MarketMaker]:
    """A market maker for each latency, after one replay of the whole recording."""
    replay = Replay(folder, products=product)
    makers = [MarketMaker(PaperMarket(product, latency=each, maker_fee=fee), **rules) for each in latencies]
    failures: list[Exception] = []
    for maker in makers:
        replay.subscribe(maker.step, failures.append)
    replay.run()
    if failures:
        raise failures[0]
    if makers and makers[0].mid is None:
        raise SystemExit(f"{folder}: it has no book of {product}: record its channels book and trades, too")
    for maker in makers:
        maker.finish()
    return makers


def report(product: str, latencies: list[float], makers: list[MarketMaker]) -> None:
    """Print a line for each latency: profits, the position valued at the last mid, and *net bp* of the turnover."""
    base, quoted = product.split("-")
    row("latency", "fills", "volume", "most held", "profit", "fees", "net", "net")
    row("s", "", base, base, quoted, quoted, quoted, "bp")
    for latency, maker in zip(latencies, makers, strict=True):
        account, mid = maker.account, maker.mid or ZERO
        profit = account.profit(mid)
        net = profit - account.fees
        share = f"{10_000 * net / (account.volume * mid):+.3f}" if account.volume else "-"
        amounts = (f"{account.volume:.4f}", f"{account.most:.4f}", f"{profit:+,.2f}", f"{account.fees:,.2f}")
        row(f"{latency:g}", f"{account.fills:,}", *amounts, f"{net:+,.2f}", share)


def row(*cells: str) -> None:
    print("".join(f"{cell:>11}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description="Trade in a recording, with one latency after the other.")
    parser.add_argument("folder", nargs="?", help="of the recording (default: a new one)")
    parser.add_argument("--product", default="BTC-USD")
    parser.add_argument(
        "--latency", type=float, nargs="+", default=[0, 0.05, 0.5], help="seconds (default: 0 0.05 0.5)"
    )
    parser.add_argument("--edge", type=Decimal, default="1.5", help="distance from the mid, in bp (default: 1.5)")
    parser.add_argument("--fee", type=Decimal, default="0", help="fee of a fill, in bp of its value (default: 0)")
    parser.add_argument("--size", type=Decimal, default="0.01", help="size of an order (default: 0.01)")
    parser.add_argument("--most", type=Decimal, default="0.1", help="largest position, long or short (default: 0.1)")
    add_venue(parser)
    options = parser.parse_args()

    edge, fee = options.edge / 10_000, options.fee / 10_000
    with recording(options.folder, options.product, hours=1, rate=20, venue=options.venue) as folder:
        rules = {"edge": edge, "size": options.size, "most": options.most}
        makers = trade(folder, options.product, options.latency, fee, **rules)
    report(options.product, options.latency, makers)


if __name__ == "__main__":
    main()
