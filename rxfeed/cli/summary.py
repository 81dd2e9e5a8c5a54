"""The counts of a demo, and the check that they agree."""

from __future__ import annotations

from textwrap import shorten

import msgspec

_TRADES = ("match", "market_trade")  # the types of trades, of any venue
_WIDEST = 200  # characters of a long text of the driver


class Count(msgspec.Struct, frozen=True):
    """The number of messages that the exchange sent, the feed received, and the database has stored."""

    sent: int = 0
    received: int = 0
    stored: int = 0

    @property
    def agrees(self) -> bool:
        return self.sent == self.received == self.stored


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a run; *stored*: counted by the database, *trades*: the trades in the *windows*."""

    seconds: float
    sent: int
    received: int
    stored: int
    malformed: int
    by_type: dict[str, Count]
    windows: int
    complete_windows: int
    trades: int
    crossings: int
    collection: str
    problem: str | None = None
    ok: bool = False

    @property
    def disagreements(self) -> list[str]:
        """The differences between the counts; empty if they agree."""
        found = [] if self.problem is None else [self.problem]
        total = Count(self.sent, self.received, self.stored)
        if not total.agrees:
            found.append(_text_of(total))
        else:
            found += [f"{kind}: {_text_of(count)}" for kind, count in self.by_type.items() if not count.agrees]
        if self.malformed:
            found.append(f"{self.malformed:,} frames malformed")
        trades = sum(self.by_type.get(kind, Count()).received for kind in _TRADES)
        if self.trades != trades:
            found.append(f"{self.trades:,} trades in the windows, but {trades:,} trades received")
        if not self.sent:
            found.append("nothing was sent")
        return found

    def checked(self) -> Summary:
        """The same summary with *ok* set."""
        return msgspec.structs.replace(self, ok=not self.disagreements)

    def json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    def text(self) -> str:
        """The counts and the verdict, as a readable text."""
        rows = [("", "sent", "received", "stored")]
        rows += [(kind, *_numbers(count)) for kind, count in self.by_type.items()]
        rows.append(("all messages", *_numbers(Count(self.sent, self.received, self.stored))))
        lines = [f"{name:<15}" + "".join(f"{number:>12}" for number in numbers) for name, *numbers in rows]
        lines.insert(-1, "-" * len(lines[0]))
        lines += [
            "",
            f"{'malformed':<15}{self.malformed:>12,}",
            f"{'windows':<15}{self.windows:>12,}   {self.complete_windows:,} complete; {self.trades:,} trades in them",
            f"{'crossings':<15}{self.crossings:>12,}",
            f"{'seconds':<15}{self.seconds:>12,.1f}",
            f"{'collection':<15}   {self.collection}",
            "",
        ]
        if self.disagreements:
            lines += ["The counts do not agree:", *(f"  {shorten(each, _WIDEST)}" for each in self.disagreements)]
        else:
            lines.append("The counts agree: each sent message was received and stored, and each trade is in a window.")
        return "\n".join(lines)


def _text_of(count: Count) -> str:
    return f"{count.sent:,} sent, {count.received:,} received, {count.stored:,} stored"


def _numbers(count: Count) -> tuple[str, str, str]:
    return f"{count.sent:,}", f"{count.received:,}", f"{count.stored:,}"
