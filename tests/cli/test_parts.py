"""The demo's parts: levels, the board, the sums, the picture."""

from __future__ import annotations

import io
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
import reactivex
from reactivex.subject import Subject
from rich.console import Console

from rxfeed import Message, MongoWrite, PriceCross, TumblingVolume, fold
from rxfeed.cli.demo_state import DemoState
from rxfeed.cli.display import Picture, PlainLines, Reading
from rxfeed.cli.pipelines import crossings, levels_near
from rxfeed.cli.summary import Count, Summary
from rxfeed.feed import Connected, Rejected
from tests.support.make import last_match, match, ticker


@pytest.mark.parametrize("price", ["60003.18", "2500", "0.00001234", "1", "99.99", "123456789"])
def test_levels_are_round_and_around_the_price(price: str) -> None:
    levels = levels_near(Decimal(price))
    steps = {high - low for low, high in pairwise(levels)}
    assert len(steps) == 1
    assert levels[7] <= Decimal(price) < levels[8]
    assert steps.pop().normalize().as_tuple().digits in ((1,), (2,), (5,))


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "sNaN", "Infinity", "1e999999999", "1e-999999999"])
def test_levels_are_empty_without_a_price(price: str) -> None:
    assert levels_near(Decimal(price)) == []


def test_crossings_begin_with_the_first_ticker_of_the_product() -> None:
    source: Subject[Message] = Subject()
    seen: list[PriceCross] = []
    source.pipe(crossings("BTC-USD")).subscribe(seen.append)
    source.on_next(ticker(10, product_id="ETH-USD"))
    source.on_next(ticker("60001"))
    source.on_next(ticker("60001"))
    source.on_next(match("60011", product_id="ETH-USD"))
    source.on_next(match("60012"))
    source.on_next(ticker("59999"))
    assert [(cross.direction, cross.level) for cross in seen] == [("up", 60010), ("down", 60000), ("down", 60010)]


def test_the_board_keeps_what_is_newest() -> None:
    board = DemoState(["BTC-USD"])
    reactivex.of(ticker(100), ticker(110), ticker(99, best_bid=Decimal(98), best_ask=Decimal(101))).subscribe(
        board.ticker
    )
    quote = board.quotes["BTC-USD"]
    assert quote is not None
    assert (quote.tickers, quote.change, quote.spread) == (3, Decimal(-1), Decimal(3))
    for window in windows(60):
        board.window(window)
    assert (board.window_count, board.complete_windows, board.trades_in_windows) == (60, 59, 60)
    assert len(board.windows) == 50
    assert not board.windows[-1].complete


def test_the_boards_first_problem_stays() -> None:
    board = DemoState([])
    board.connection(Rejected(message="Failed to subscribe", reason="no"))
    board.sink_failed(ValueError("later"))
    assert board.problem == "refused: Failed to subscribe: no"
    assert board.status == "failed"
    assert board.stored_all.is_set()


GOOD = Summary(
    seconds=1,
    sent=5,
    received=5,
    stored=5,
    malformed=0,
    by_type={"match": Count(3, 3, 3), "ticker": Count(2, 2, 2)},
    windows=1,
    complete_windows=0,
    trades=3,
    crossings=0,
    collection="a.b",
)


def test_summary_with_matching_counts_passes() -> None:
    assert GOOD.checked().ok
    assert GOOD.text().endswith("each trade is in a window.")
    assert msgspec.json.decode(GOOD.checked().json(), type=Summary) == GOOD.checked()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"stored": 4}, "5 sent, 5 received, 4 stored"),
        ({"received": 6}, "5 sent, 6 received, 5 stored"),
        ({"malformed": 1}, "1 frames malformed"),
        ({"trades": 2}, "2 trades in the windows, but 3 trades received"),
        ({"problem": "the sink died"}, "the sink died"),
        ({"by_type": {"match": Count(3, 3, 3), "ticker": Count(2, 1, 2)}}, "ticker: 2 sent, 1 received, 2 stored"),
        ({"sent": 0, "received": 0, "stored": 0}, "nothing was sent"),
    ],
)
def test_summary_with_other_counts_fails(wrong: dict[str, object], told: str) -> None:
    summary = msgspec.structs.replace(GOOD, **wrong).checked()
    assert not summary.ok
    assert told in summary.text()


def windows(count: int) -> list:
    trades: list[Message] = [last_match(time=-2)]
    trades += [match("60001.23", time=second, size="1234.5678") for second in range(count)]
    return fold(TumblingVolume(1), trades)


def full_board() -> DemoState:
    board = DemoState(["BTC-USD", "ETH-USD"])
    board.connection(Connected(url="ws://127.0.0.1:65535"))
    for each in windows(60):
        board.window(each)
        cross = PriceCross("BTC-USD", Decimal(60000), "up", Decimal("59999.99"), Decimal("60001.23"), each.start)
        board.crossing(cross)
    board.ticker(ticker("60001.23", best_bid=Decimal("60001.23"), best_ask=Decimal("60002.34")))
    board.written(MongoWrite(10, 0.1, 1_234_567))
    return board


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (80, 20)])
def test_display_fits_the_terminal(width: int, height: int) -> None:
    file = io.StringIO()
    console = Console(file=file, width=width, height=height)
    for board in (DemoState(["BTC-USD", "ETH-USD"]), full_board()):
        console.print(Picture(board, Reading("ws://127.0.0.1:65535", 3661, 1_234_567, 1_234_567, 0)))
        text = file.getvalue()
        file.seek(0)
        file.truncate()
        assert "…" not in text
        assert len(text.splitlines()) in (height - 1, height)
        assert all(len(line) <= width for line in text.splitlines())
    assert "60,001.23" in text
    assert "1,234,567" in text
    assert "61:01" in text


def test_plain_lines_are_printed_at_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    board = full_board()
    with PlainLines(every=2) as lines:
        for second in range(5):
            lines.show(board, Reading("ws://127.0.0.1:1", second, 10, 9, 0))
    assert capsys.readouterr().out.splitlines() == [
        f"    {second}.0 s  BTC-USD 60,001.23  ETH-USD -  "
        "sent 10  received 9  stored 1,234,567  windows 60  crossings 60"
        for second in (0, 2, 4)
    ]
