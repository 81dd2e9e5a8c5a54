"""Recordings with random faults, repaired over a REST API with faults: their results are those of the exchange."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rxfeed import Feed, Reconnect, Replay, candles, record, window_volume
from rxfeed.audit import audit, repair
from rxfeed.errors import FrameMalformed, RequestRejected
from rxfeed.feed import Gap
from rxfeed.market import Trade
from rxfeed.sim import Exchange, faults
from rxfeed.transport import HttpClient
from rxfeed.venues import RestRules, RestTrade
from rxfeed.venues import venue as venue_of
from tests.audit.test_repair import content
from tests.support.amounts import amount
from tests.support.collect import Collected

PRODUCTS = ["BTC-USD", "ETH-USD"]
VENUES = ["coinbase_exchange", "coinbase_advanced"]
TRADES = {"coinbase_exchange": "match", "coinbase_advanced": "market_trades"}
SECONDS = amount(20, 600)
"""Of the market."""


@contextmanager
def recorded(venue: str, folder: Path, seed: int) -> Iterator[Exchange]:
    """An exchange, of which *folder* has a recording with random drops and lost connections."""
    dice = random.Random(seed)
    with Exchange(PRODUCTS, venue=venue, seed=seed, auto=False, rate=20) as exchange:
        retry = Reconnect(initial=0, maximum=0)
        url = exchange.url
        feed = Feed(PRODUCTS, ["trades", "heartbeat"], url=url, venue=venue, reconnect=retry, stale_after=None)
        feed.pipe(record(folder, segment_bytes=20_000, flush_seconds=0.01)).subscribe()
        with feed:
            exchange.wait_for_clients()
            for _ in range(SECONDS):
                exchange.advance(1)
                exchange.drain()
                exchange.wait_for_clients()
                match dice.choice(("drop", "drop", "any", "close", "vanish", "", "", "", "", "")):
                    case "drop":
                        exchange.inject(faults.Drop(dice.randint(1, 6), types={TRADES[venue]}))
                    case "any":
                        exchange.inject(faults.Drop(dice.randint(1, 9)))
                    case "close":
                        exchange.inject(faults.Close(1001, "going away"))
                    case "vanish":
                        exchange.inject(faults.Vanish())
                    case _:
                        pass
            exchange.advance(2)
            exchange.drain()
        yield exchange


def ledger(exchange: Exchange, venue: str, product: str, first: int) -> dict[int, RestTrade]:
    """The trades of the exchange from *first* on."""
    rules, client = venue_of(venue).rest, HttpClient(exchange.rest_url)
    assert rules is not None
    found: dict[int, RestTrade] = {}
    oldest: RestTrade | None = None
    while oldest is None or oldest.trade_id > first:
        page = trades_page(rules, client, product, oldest)
        found |= {each.trade_id: each for each in page if each.trade_id >= first}
        oldest = min(page, key=lambda each: each.trade_id)
    client.close()
    return found


def trades_page(rules: RestRules, client: HttpClient, product: str, older_than: RestTrade | None) -> list[RestTrade]:
    """The next page with trades: faults may be left that the repair did not meet."""
    for _ in range(20):
        with suppress(FrameMalformed, RequestRejected):
            page = rules.trades(product, client.get(rules.trades_path(product, older_than=older_than)).body)
            if page:
                return list(page)
    raise AssertionError("no answer has trades")


def rest_faults(dice: random.Random, last: int) -> list[faults.Fault]:
    """429, failures, slow and wrong answers, and trades that are no longer kept."""
    gone = {last - dice.randrange(300) for _ in range(5)}
    return [
        faults.RestStatus(code=429, count=2),
        faults.RestGarbage(payload=dice.choice(("[]", "{}", "[{", '{"trades":[]}', "")), after=3, count=2),
        faults.RestStatus(code=503, after=5, count=2),
        faults.RestLatency(0.02, after=7, count=5),
        faults.RestHole(gone, count=None),
    ]


def check(folder: Path, exchange: Exchange, venue: str) -> dict[str, int]:
    """Every window of the repaired recording is that of the ledger, or it is not complete and its gaps are reported."""
    replay = Replay(folder)
    got, status = Collected(replay), Collected(replay.status)
    results = [Collected(replay.pipe(window_volume(2))), Collected(replay.pipe(candles(2)))]
    replay.run()
    counts = {"trades": 0, "repaired": 0, "lost": 0, "complete": 0, "incomplete": 0}
    for product in PRODUCTS:
        trades = [each for each in got.items if isinstance(each, Trade) and each.product_id == product]
        ids = [each.trade_id for each in trades]
        gaps = {
            number
            for each in status.items
            if isinstance(each, Gap) and each.product_id == product
            for number in range(each.first, each.last + 1)
        }
        known = ledger(exchange, venue, product, ids[0])
        assert ids == [number for number in range(ids[0], ids[-1] + 1) if number not in gaps]
        for each in trades:
            if each.trade_id in known:  # a hole of the API is one of the ledger, too
                other = known[each.trade_id]
                assert (each.price, each.size, each.time) == (other.price, other.size, other.time)
        made = {each.trade_id: each for each in trades}
        whole: dict[int, Any] = {**known, **made}
        counts["trades"] += len(ids)
        counts["repaired"] += sum(each.repaired for each in trades)
        counts["lost"] += len(gaps)
        for result in results:
            for each in (one for one in result.items if one.product_id == product):
                inside = [one for one in whole.values() if each.start <= one.time < each.end]
                counts["complete" if each.complete else "incomplete"] += 1
                if each.complete:
                    assert each.count == len(inside)
                    assert each.volume == sum((one.size for one in inside), Decimal(0))
                    assert each.notional == sum((one.price * one.size for one in inside), Decimal(0))
    return counts


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.timeout(amount(60, 900))
def test_recording_with_random_faults_is_repaired_to_the_ledger(
    venue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rxfeed.audit.fetching.AGAIN", (0.01,))
    folder, dice = tmp_path / "broken", random.Random(venue)
    with recorded(venue, folder, seed=3) as exchange:
        before = audit(folder)
        missing = sum(each.count for each in before.missing if each.product)
        assert (before.status, missing > 0) == (3, True)
        broken = check(folder, exchange, venue)
        for fault in rest_faults(dice, exchange.last_trade_id("BTC-USD")):
            exchange.inject(fault)
        tries = 0
        while (done := repair(folder)).status == 1:
            tries += 1
            assert tries < 10
        after = audit(folder)
        left = sum(each.count for each in after.missing if each.product)
        assert all(each.lost for each in after.missing if each.product)
        counts = check(folder, exchange, venue)
        assert counts["lost"] == left <= 10
        assert counts["repaired"] >= missing - left > 0
        assert counts["complete"] > broken["complete"]
        assert counts["incomplete"] < broken["incomplete"]
        assert done.lost <= left
        print(venue, missing, broken, counts)


@pytest.mark.parametrize("venue", VENUES[: amount(1, 2)])
@pytest.mark.timeout(amount(60, 900))
def test_repair_that_is_killed_again_and_again_writes_the_same_bytes(venue: str, tmp_path: Path) -> None:
    folder, undisturbed = tmp_path / "broken", tmp_path / "undisturbed"
    with recorded(venue, folder, seed=5) as exchange:
        undisturbed.mkdir()
        for path in folder.glob("*.zst"):
            (undisturbed / path.name).write_bytes(path.read_bytes())
        began = time.monotonic()
        command = [sys.executable, "-m", "rxfeed.cli", "repair"]
        subprocess.run([*command, str(undisturbed)], check=True, capture_output=True)
        lasted = time.monotonic() - began
        dice = random.Random(exchange.url)
        for _ in range(amount(2, 10)):
            process = subprocess.Popen([*command, str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(dice.uniform(0.2, 1.1) * lasted)
            process.kill()
            process.wait()
        subprocess.run([*command, str(folder)], check=True, capture_output=True)
        assert content(folder) == content(undisturbed)
