"""Repairs of a recording over a REST API with wrong answers: nothing wrong is written."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from rxfeed.audit import repair
from rxfeed.audit.fetching import PastTrades
from rxfeed.core import Reconnect
from rxfeed.feed import Gap
from rxfeed.recording.events import status_line
from rxfeed.recording.format import frame_line
from rxfeed.recording.timestamps import moment_of
from tests.audit.test_certificate import PRODUCT, SECOND, opening
from tests.audit.test_hostile_repairs import Played, exchange, frame, item, received
from tests.support.segments import NS, write

Items = list[dict[str, object]]
NEWEST_FIRST: Items = [item(each) for each in range(59, 0, -1)]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rxfeed.audit.fetching.AGAIN", (0.0,))
    monkeypatch.setattr(PastTrades.__init__, "__defaults__", (Reconnect(initial=0, maximum=0, retries=2),))


def page(path: str, size: int) -> Items:
    """The newest of the trades that are older than the requested one."""
    after = re.search(r"after=(\d+)", path)
    return [each for each in NEWEST_FIRST if after is None or int(str(each["trade_id"])) < int(after[1])][:size]


def changed(**fields: object) -> Callable[[str], bytes]:
    """Answers in which each trade is changed so."""
    return lambda _: json.dumps([{**each, **fields} for each in NEWEST_FIRST]).encode()


def with_14(**fields: object) -> Callable[[str], bytes]:
    """Answers in which trade 14 is changed so."""
    return lambda _: json.dumps(
        [{**each, **(fields if each["trade_id"] == 14 else {})} for each in NEWEST_FIRST]
    ).encode()


RIGHT: dict[str, Callable[[str], bytes]] = {
    "in reverse": lambda _: json.dumps(NEWEST_FIRST[::-1]).encode(),
    "pages of two": lambda path: json.dumps(page(path, 2)).encode(),
    "pages of two, in reverse": lambda path: json.dumps(page(path, 2)[::-1]).encode(),
    "twice": lambda _: json.dumps([*NEWEST_FIRST, *NEWEST_FIRST]).encode(),
    "long": lambda _: json.dumps(NEWEST_FIRST).encode() + b" " * 10**7,
}
WRONG: dict[str, Callable[[str], bytes]] = {
    "the newest for ever": lambda _: json.dumps(NEWEST_FIRST[:3]).encode(),
    "ids as text": changed(trade_id="14"),
    "ids with a fraction": changed(trade_id=14.5),
    "ids over 64 bit": changed(trade_id=10**30),
    "negative sizes": changed(size="-1"),
    "no numbers": changed(price="NaN"),
    "the year 2126": changed(time="2126-01-01T00:00:00Z"),
    "the year 1": changed(time="0001-01-01T00:00:00Z"),
    "the year 9999": changed(time="9999-12-31T23:59:59.999999Z"),
    "an hour late": changed(time="2026-01-02T13:00:17Z"),
    "two seconds after the trade that follows": changed(time="2026-01-02T12:00:19Z"),
    "one later than the next": with_14(time="2026-01-02T12:00:16.500000Z"),
    "one long before": with_14(time="2026-01-02T11:59:14Z"),
    "two of one id": lambda _: json.dumps([*NEWEST_FIRST, {**NEWEST_FIRST[44], "size": "7"}]).encode(),
    "an object": lambda _: b"{}",
    "null": lambda _: b"null",
    "nothing": lambda _: b"",
    "deeply nested": lambda _: b"[" * 10**6,
    "gzip": lambda _: gzip.compress(json.dumps(NEWEST_FIRST).encode()),
    "cut short": lambda _: json.dumps(NEWEST_FIRST).encode()[:100],
}


@pytest.mark.parametrize("name", RIGHT)
def test_answer_in_another_form_is_used(name: str, tmp_path: Path) -> None:
    received(tmp_path)
    with exchange(RIGHT[name]) as url:
        assert repair(tmp_path, rest_url=url).status == 0
    window = Played(tmp_path).window
    assert (window.complete, window.count, window.volume) == (True, 10, 10)


@pytest.mark.parametrize("name", WRONG)
def test_wrong_answer_is_an_error_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    """Nothing is lost either, so that a later repair requests it."""
    received(tmp_path)
    files = sorted(tmp_path.glob("*.zst"))
    with exchange(WRONG[name]) as url:
        (gap,) = repair(tmp_path, rest_url=url).gaps
    assert (gap.repaired, gap.lost) == (0, 0)
    assert gap.error
    assert sorted(tmp_path.glob("*.zst")) == files
    assert not Played(tmp_path).window.complete


@pytest.mark.parametrize("hours", [-500_000, 0, 3])
def test_trades_fit_also_if_the_clock_of_the_recorder_was_wrong(hours: int, tmp_path: Path) -> None:
    offset = hours * 3600 * SECOND
    gap = Gap(product_id=PRODUCT, channel="matches", first=13, last=16, at=moment_of(NS + offset + 17 * SECOND))
    before = [frame_line(frame(each), NS + offset + each * SECOND, 0) for each in range(1, 13)]
    after = [frame_line(frame(each), NS + offset + each * SECOND, 1) for each in range(17, 60)]
    write(tmp_path, [*opening("matches", ns=NS + offset), *before, status_line(gap), *after], ns=NS + offset)
    with exchange(RIGHT["in reverse"]) as url:
        assert repair(tmp_path, rest_url=url).repaired == 4
