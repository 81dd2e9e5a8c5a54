"""What `rxfeed top` shows: rows from the difference of two scrapes, the order of the rows, and the keys."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from rxfeed.metrics import Distribution, Scrape

COLUMNS = ("product", "rate", "spread", "p99", "gaps")
_LAG_SECONDS = 60.0  # the lags of the last minute


class ProductRow(NamedTuple):
    """A product of a venue; `None` for what is not known."""

    venue: str
    product: str
    rate: float
    price: float | None
    spread: float | None
    p50: float | None
    p99: float | None
    gaps: int
    ready: bool | None


class VenueRow(NamedTuple):
    """The connection to a venue."""

    venue: str
    state: str
    rate: float
    bytes_rate: float
    reconnects: int
    gaps: int
    malformed: int
    duplicates: int
    backlog: float
    delivery_p99: float | None


class StageRow(NamedTuple):
    """The queue of an operator or a sink, and what more is known of it."""

    name: str
    waiting: int
    size: int
    dropped: int
    text: str


class TopReading(NamedTuple):
    """All that is shown at one moment."""

    venues: list[VenueRow]
    products: list[ProductRow]
    stages: list[StageRow]
    pipelines: list[str]


class History:
    """The scrapes of the last minute."""

    def __init__(self) -> None:
        self._scrapes: deque[tuple[float, Scrape]] = deque()

    def add(self, scrape: Scrape, now: float) -> TopReading:
        """The rows of *scrape*, which was made at *now* seconds: rates since the last one, lags of a minute."""
        scrapes = self._scrapes
        while len(scrapes) > 1 and scrapes[1][0] <= now - _LAG_SECONDS:
            scrapes.popleft()
        then, before = scrapes[-1] if scrapes else (now, scrape)
        oldest = scrapes[0][1] if scrapes else None
        scrapes.append((now, scrape))
        rates = _Rates(before, scrape, now - then)
        return TopReading(
            _venues(scrape, oldest, rates), _products(scrape, oldest, rates), _stages(scrape, rates), _pipelines(rates)
        )


class _Rates:
    """The growth of counters between two scrapes, per second."""

    def __init__(self, before: Scrape, after: Scrape, seconds: float) -> None:
        self._before, self._after, self._seconds = before, after, seconds

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        before = self._before.by(name, *labels)
        if self._seconds <= 0:
            return dict.fromkeys(self._after.by(name, *labels), 0.0)
        return {
            key: max(0.0, value - before.get(key, 0)) / self._seconds
            for key, value in self._after.by(name, *labels).items()
        }


def _quantiles(
    scrape: Scrape, oldest: Scrape | None, name: str, labels: tuple[str, ...]
) -> dict[tuple[str, ...], Distribution]:
    then = {} if oldest is None else oldest.distributions(name, *labels)
    return {key: now - then[key] if key in then else now for key, now in scrape.distributions(name, *labels).items()}


def _venues(scrape: Scrape, oldest: Scrape | None, rates: _Rates) -> list[VenueRow]:
    states = scrape.by("rxfeed_connection_state", "venue", "state")
    messages, size = rates.by("rxfeed_messages_total", "venue"), rates.by("rxfeed_received_bytes_total", "venue")
    lags = _quantiles(scrape, oldest, "rxfeed_delivery_lag_seconds", ("venue",))

    def total(name: str, venue: tuple[str, ...]) -> float:
        return scrape.by(name, "venue").get(venue, 0)

    rows: list[VenueRow] = []
    for key in sorted(scrape.by("rxfeed_frames_total", "venue")):
        (venue,) = key
        current = [state for (of, state), count in states.items() if of == venue and count]
        rows.append(
            VenueRow(
                venue,
                "+".join(current) or "-",
                messages.get(key, 0.0),
                size.get(key, 0.0),
                int(total("rxfeed_reconnects_total", key)),
                int(total("rxfeed_gaps_total", key)),
                int(total("rxfeed_malformed_total", key)),
                int(total("rxfeed_duplicates_total", key)),
                total("rxfeed_backlog_seconds", key),
                lags[key].quantile(0.99) if key in lags else None,
            )
        )
    return rows


def _products(scrape: Scrape, oldest: Scrape | None, rates: _Rates) -> list[ProductRow]:
    labels = ("venue", "product")
    prices, bids, asks, gaps, ready = (
        scrape.by(name, *labels)
        for name in (
            "rxfeed_last_price",
            "rxfeed_best_bid",
            "rxfeed_best_ask",
            "rxfeed_gaps_total",
            "rxfeed_book_ready",
        )
    )
    lags = _quantiles(scrape, oldest, "rxfeed_event_lag_seconds", labels)
    rows: list[ProductRow] = []
    for key, rate in rates.by("rxfeed_messages_total", *labels).items():
        venue, product = key
        if not product:
            continue
        lag = lags.get(key)
        rows.append(
            ProductRow(
                venue,
                product,
                rate,
                prices.get(key),
                asks[key] - bids[key] if key in asks and key in bids else None,
                None if lag is None else lag.quantile(0.5),
                None if lag is None else lag.quantile(0.99),
                int(gaps.get(key, 0)),
                bool(ready[key]) if key in ready else None,
            )
        )
    return rows


def _stages(scrape: Scrape, rates: _Rates) -> list[StageRow]:
    waiting, sizes, dropped = (
        scrape.by(f"rxfeed_queue_{name}", "stage") for name in ("items", "size_items", "dropped_total")
    )
    return [
        StageRow(key[0], int(count), int(sizes.get(key, 0)), int(dropped.get(key, 0)), _text_of(key[0], scrape, rates))
        for key, count in sorted(waiting.items())
    ]


def _text_of(stage: str, scrape: Scrape, rates: _Rates) -> str:
    if stage == "record":
        frames = rates.by("rxfeed_recorder_frames_total").get((), 0.0)
        free = scrape.total("rxfeed_disk_free_bytes")
        return (
            f"{scrape.total('rxfeed_recorder_frames_total'):,.0f} frames, {frames:,.0f}/s, "
            f"{scrape.total('rxfeed_recorder_written_bytes_total') / 1e6:,.1f} MB, "
            f"{scrape.total('rxfeed_recorder_unwritten_total'):,.0f} lost, {free / 1e9:,.0f} GB free"
        )
    if stage == "to_mongo":
        documents = scrape.by("rxfeed_mongo_documents_total", "result")
        state = "available" if scrape.total("rxfeed_mongo_available") else "NOT AVAILABLE"
        return (
            f"{documents.get(('written',), 0):,.0f} written, {scrape.total('rxfeed_spill_documents'):,.0f} spilled, "
            f"{documents.get(('lost',), 0) + documents.get(('dead',), 0):,.0f} lost, {state}"
        )
    if stage == "to_parquet":
        return (
            f"{scrape.total('rxfeed_parquet_rows_total'):,.0f} rows in "
            f"{scrape.total('rxfeed_parquet_files_total'):,.0f} files, "
            f"{scrape.total('rxfeed_parquet_unwritten_total'):,.0f} lost"
        )
    return ""


def _pipelines(rates: _Rates) -> list[str]:
    """A line for each pipeline of a feed that counts items: its operators, with outputs a second."""
    by_pipeline: dict[int, list[tuple[int, str, float]]] = {}
    for (number, step), rate in rates.by("rxfeed_step_items_total", "pipeline", "step").items():
        place, _, name = step.partition(" ")
        by_pipeline.setdefault(int(number), []).append((int(place), name, rate))
    return [
        " -> ".join(["messages", *(f"{name} {rate:,.0f}/s" for _, name, rate in sorted(steps))])
        for _, steps in sorted(by_pipeline.items())
    ]


class Controls:
    """The order and the filter of the rows, which keys change."""

    def __init__(self) -> None:
        self.sorted_by = 1
        self.reverse = True
        self.filter = ""
        self.editing = False
        self.pipelines = False
        self.over = False

    def press(self, key: str) -> None:
        """Act on *key*; while the filter is edited, characters are added to it."""
        if self.editing:
            if key in ("enter", "escape"):
                self.editing = False
                self.filter = "" if key == "escape" else self.filter
            elif key == "backspace":
                self.filter = self.filter[:-1]
            elif len(key) == 1:
                self.filter += key
        elif key in ("q", "Q"):
            self.over = True
        elif key == "s":
            self.sorted_by = (self.sorted_by + 1) % len(COLUMNS)
            self.reverse = self.sorted_by > 0
        elif key == "r":
            self.reverse = not self.reverse
        elif key == "/":
            self.editing, self.filter = True, ""
        elif key == "p":
            self.pipelines = not self.pipelines
        elif key == "escape":
            self.filter = ""

    def chosen(self, rows: list[ProductRow]) -> list[ProductRow]:
        """The *rows* that the filter accepts, in order; those without a value are last."""
        text, name = self.filter.upper(), COLUMNS[self.sorted_by]
        kept = [row for row in rows if text in row.product.upper() or text in row.venue.upper()]
        kept.sort(key=lambda row: (row.product, row.venue))
        known = [row for row in kept if getattr(row, name) is not None]
        known.sort(key=lambda row: getattr(row, name), reverse=self.reverse)
        return known + [row for row in kept if getattr(row, name) is None]
