"""The guide's code runs, block after block, as a reader would run it."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import rxfeed.compat
from rxfeed.sim import Exchange

GUIDE = (Path(__file__).parents[2] / "docs" / "migrating.md").read_text()
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


class RestClient:
    def get_product_order_book(self, product_id: str, level: int) -> dict[str, Any]:
        assert (product_id, level) == ("BTC-USD", 3)
        return {"sequence": 10, "bids": [["99", "1", "b"]], "asks": [["101", "1", "a"]]}


class Printed:
    """In place of `print`, for a test that waits for lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, *words: Any) -> None:
        with self._changed:
            self.lines.append(" ".join(map(str, words)))
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.lines) >= count, 10), self.lines


def test_guide_steps_run_and_print_equal_minutes(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"my_rest_client": RestClient()}
    minutes: list[list[tuple[str, float]]] = []
    for number, block in enumerate(BLOCKS[:-1]):
        printed = Printed()
        # The same market for each, so that they can be compared.
        with Exchange(["BTC-USD"], seed=3, auto=False, rate=20, start=NOON) as exchange:

            def wait(exchange: Exchange = exchange, printed: Printed = printed, number: int = number) -> None:
                exchange.wait_for_clients()
                exchange.advance(150)
                printed.wait_for(4 if number == 2 else 2)

            names |= {"URL": exchange.url, "wait": wait, "print": printed}
            exec(compile(block, f"docs/migrating.md, block {number}", "exec"), names)
        found = [re.search(r"(\d\d:\d\d) volume ([\d.]+)", line) for line in printed.lines]
        minutes.append([(match[1], round(float(match[2]), 6)) for match in found if match])
    old, reconnecting, half, new = minutes
    assert [minute for minute, _ in old[:2]] == ["12:00", "12:01"]
    assert reconnecting[:2] == old[:2]
    assert sorted(half[:4]) == sorted(old[:2] * 2)  # the old handler's and the pipeline's
    assert new[:2] == old[:2]
    assert capsys.readouterr().out == ""  # no hook of the parent's prints


def test_guide_order_book_runs() -> None:
    printed = Printed()
    names: dict[str, Any] = {"my_rest_client": RestClient(), "cbpro": rxfeed.compat, "print": printed}
    exec(compile(BLOCKS[-1], "docs/migrating.md, the last block", "exec"), names)
    assert printed.lines == ["True 99 101"]
