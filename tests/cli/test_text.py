"""Texts and numbers of a server, as they are shown."""

from __future__ import annotations

import json
import unicodedata
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import force_setattr
from rich.console import Console

from rxfeed.cli.demo_state import DemoState
from rxfeed.cli.display import Picture, Reading
from rxfeed.cli.lines import line
from rxfeed.cli.text import json_line, plain_number, printable, rounded_number, shortened
from tests.support.make import ticker

HUGE = [
    "1e999999999",
    "-1e999999999",
    "1e-999999999",
    "0e999999999",
    "0e-999999999",
    "1e41",
    "NaN",
    "sNaN",
    "-Infinity",
]
NUMBERS = st.one_of(
    st.decimals(allow_nan=True, allow_infinity=True),
    st.builds(lambda digits, power: Decimal(f"{digits}e{power}"), st.integers(), st.integers(-(10**9), 10**9)),
)


@given(NUMBERS)
def test_numbers_are_shown_in_bounded_length(number: Decimal) -> None:
    assert len(plain_number(number)) <= 90
    assert len(rounded_number(number, 4, "+")) <= 90


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=8))
def test_numbers_of_a_market_are_shown_in_full(number: Decimal) -> None:
    with localcontext(prec=60):
        assert Decimal(plain_number(number)) == number
        assert Decimal(rounded_number(number, 8).replace(",", "")) == number


@pytest.mark.parametrize("price", HUGE)
def test_watch_shows_a_huge_price_in_one_short_line(price: str) -> None:
    message = ticker("1", product_id="A-B")
    for name in ("price", "best_bid", "best_ask"):
        force_setattr(message, name, Decimal(price))  # decoding does not let it pass
    assert len(line(message)) < 200


@pytest.mark.parametrize("price", HUGE)
def test_demo_draws_a_huge_price(price: str) -> None:
    board = DemoState(["A-B"])
    for changed in ("price", "best_bid"):
        message = ticker("1", product_id="A-B", best_bid=Decimal(1), best_ask=Decimal("1.5"))
        force_setattr(message, changed, Decimal(price))
        board.ticker(message)
    console = Console(width=100, height=40)
    with console.capture() as capture:
        console.print(Picture(board, Reading("ws://127.0.0.1:1", 1, 1, 1, 0)))
    assert "A-B" in capture.get()


@given(st.text(), st.sampled_from(["ascii", "cp1252", "utf-8", "utf-16"]))
def test_json_lines_keep_the_value_and_fit_the_encoding(text: str, encoding: str) -> None:
    raw = json.dumps({"text": text}, ensure_ascii=False, indent=1).encode("utf-8", "replace")
    shown = json_line(raw, encoding)
    assert json.loads(shown) == json.loads(raw)
    assert shown.isprintable()
    shown.encode(encoding)


@given(st.binary())
def test_json_lines_of_any_bytes_do_not_raise(raw: bytes) -> None:
    assert json_line(raw, "ascii").isascii()


@given(st.text())
def test_printable_removes_control_characters(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert not {unicodedata.category(each) for each in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_long_text_is_shortened_in_the_middle() -> None:
    path = "/srv/market-data/2026/recordings/btc"
    for room in range(8, 40):
        assert len(shortened(path, room)) <= max(room, 5)
    assert shortened(path, 36) == path
    assert shortened(path, 20).startswith("/srv")
    assert shortened(path, 20).endswith("btc")
