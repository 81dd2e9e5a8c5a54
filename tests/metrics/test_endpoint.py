"""A scrape of a running feed has what the dashboard and the rules query, with plausible values, on both venues."""

from __future__ import annotations

import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rxfeed import Feed, Reconnect, Secret, bounded, order_book, record, to_mongo, trades
from rxfeed.archive import to_parquet
from rxfeed.errors import ConfigError
from rxfeed.metrics import METRICS, Scrape, read_scrape, serve
from rxfeed.metrics.catalogue import SECONDS
from rxfeed.sim import Exchange, faults
from tests.metrics.queries import RULES, dashboard_queries, rule_queries, uses

VENUES = ("coinbase_exchange", "coinbase_advanced")
PRODUCTS = ("BTC-USD", "ETH-USD")
CHANNELS = ("ticker", "trades", "heartbeat", "book")


def scrape(url: str) -> Scrape:
    with urllib.request.urlopen(url, timeout=10) as response:
        return read_scrape(response.read().decode())


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_known(name: str) -> bool:
    return name in METRICS or METRICS.get(name.removesuffix("_bucket"), ("", ""))[1] == "histogram"


@pytest.mark.parametrize("query", [*dashboard_queries(), *rule_queries()])
def test_query_names_metrics_with_their_types_and_labels(query: str) -> None:
    for use in uses([query]):
        assert is_known(use.name), use.name
        metric = METRICS[use.name.removesuffix("_bucket")]
        assert use.labels <= {*metric.labels, "job"}
        assert use.grows == (metric.kind != "gauge"), "rate and increase are those of counters, and only of them"


def test_dashboard_shows_every_metric() -> None:
    shown = {use.name.removesuffix("_bucket") for use in uses(dashboard_queries())}
    assert shown == set(METRICS)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: scripts/tools installs it")
def test_promtool_accepts_the_rules() -> None:
    subprocess.run(["promtool", "check", "rules", str(RULES)], check=True, capture_output=True)


@pytest.mark.parametrize("venue", VENUES)
def test_scrape_has_every_queried_metric(venue: str, tmp_path: Path, collection: Any) -> None:
    script = [faults.Drop(types={"ticker"} if venue == VENUES[1] else {"match"}, after=20)]
    with Exchange(PRODUCTS, venue=venue, seed=3, rate=200, faults=script) as exchange:
        feed = Feed(PRODUCTS, CHANNELS, venue=venue, url=exchange.url, ping_interval=0.1, count_items=True)
        recorder, mongo = record(tmp_path / "recordings", flush_seconds=0.1), to_mongo(collection, batch_seconds=0.1)
        slow, parquet = bounded(100), to_parquet(tmp_path / "archive")
        feed.pipe(recorder).subscribe()
        feed.pipe(mongo).subscribe()
        feed.pipe(trades(), slow).subscribe(lambda trade: None)
        feed.pipe(order_book("BTC-USD")).subscribe(lambda view: None)
        feed.pipe(parquet).subscribe()
        with serve(feed, recorder, mongo, parquet, port=0, sample_seconds=0.05) as server:
            feed.connect()
            eventually(lambda: feed.stats.messages > 400 and feed.stats.gaps > 0 and feed.stats.pongs > 0)
            eventually(lambda: mongo.stats.written > 0 and recorder.stats.frames > 0)
            eventually(lambda: scrape(server.url).by("rxfeed_book_ready", "product").get(("BTC-USD",)) == 1)
            running = scrape(server.url)
            exchange.pause()
            exchange.drain(10)
            eventually(lambda: feed.stats.frames >= exchange.sent.frames)
            found = scrape(server.url)
            feed.close()
            ended = scrape(server.url)
    for use in uses([*dashboard_queries(), *rule_queries()]):
        metric = METRICS[use.name.removesuffix("_bucket")]
        assert found.types[metric.name] == metric.kind
        series = running.series(use.name)
        assert series, f"{use.name} has no value"
        assert all(set(labels) - {"le"} == set(metric.labels) for labels, _ in series)
        assert all(value >= 0 for _, value in series)

    # ---- what is counted exactly
    stats, venues = feed.stats, {(venue,)}
    products = {product: sum(types.values()) for product, types in stats.by_product.items()}
    assert found.by("rxfeed_messages_total", "product") == {(key or "",): count for key, count in products.items()}
    assert set(found.by("rxfeed_messages_total", "venue")) == venues
    for name, value in {
        "rxfeed_received_bytes_total": stats.bytes,
        "rxfeed_frames_total": exchange.sent.frames,
        "rxfeed_gaps_total": stats.gaps,
        "rxfeed_missing_numbers_total": stats.gapped,
        "rxfeed_malformed_total": 0,
        "rxfeed_duplicates_total": 0,
        "rxfeed_reconnects_total": stats.reconnects,
        "rxfeed_connections_total": 1,
        "rxfeed_subscriptions": 5,
        "rxfeed_recorder_unwritten_total": 0,
        "rxfeed_recorder_segments_total": 1,
        "rxfeed_spill_bytes": 0,
        "rxfeed_mongo_available": 1,
        "rxfeed_subscriber_errors_total": 0,
    }.items():
        assert found.total(name) == value, name
    states = found.by("rxfeed_connection_state", "state")
    assert [state for (state,), is_in in states.items() if is_in] == ["subscribed"]
    assert ended.by("rxfeed_connection_state", "state")["ended",] == 1
    steps = found.by("rxfeed_step_items_total", "pipeline", "step")
    assert steps["3", "1 trades"] >= steps["3", "2 bounded"] > 0
    assert set(found.by("rxfeed_queue_items", "stage")) == {
        (name,) for name in ("record", "to_mongo", "to_parquet", "bounded")
    }

    # ---- what is plausible
    prices, bids, asks = (
        found.by(name, "product") for name in ("rxfeed_last_price", "rxfeed_best_bid", "rxfeed_best_ask")
    )
    assert set(prices) == set(bids) == set(asks) == {(product,) for product in PRODUCTS}
    assert all(0 < bids[key] <= asks[key] and abs(prices[key] / bids[key] - 1) < 0.1 for key in prices)
    assert 0 < found.total("rxfeed_samples_total") < stats.messages
    for name in ("rxfeed_event_lag_seconds", "rxfeed_delivery_lag_seconds"):
        for lags in found.distributions(name, "product").values():
            assert lags.bounds[:-1] == SECONDS
            assert 0 <= (lags.quantile(0.5) or 0) <= 10
    assert 0 < found.total("rxfeed_recorder_segment_bytes") <= found.total("rxfeed_recorder_written_bytes_total") + 1e5
    assert 1e6 < found.total("rxfeed_disk_free_bytes") < found.total("rxfeed_disk_size_bytes")
    assert found.total("rxfeed_ping_round_trip_seconds") < 5
    assert found.total("rxfeed_mongo_batches_total") > 0
    written = found.by("rxfeed_mongo_documents_total", "result")
    assert written["written",] > 0
    assert written["lost",] == 0


def test_counters_of_ended_feeds_stay_in_the_totals(tmp_path: Path) -> None:
    recorder = record(tmp_path)
    with serve(recorder, port=0) as server, Exchange(["BTC-USD"], rate=300) as exchange:
        before = 0.0
        for _ in range(2):
            feed = Feed("BTC-USD", "matches", url=exchange.url)
            server.add(feed)
            feed.connect()
            eventually(lambda: scrape(server.url).total("rxfeed_messages_total") > before + 20)  # noqa: B023
            feed.close()
            now = scrape(server.url).total("rxfeed_messages_total")
            assert now == before + feed.stats.messages
            before = now
        assert scrape(server.url).total("rxfeed_connections_total") == 2


def test_products_beyond_the_limit_are_one_label() -> None:
    products = [f"P{number}-USD" for number in range(6)]
    with Exchange(products, rate=300) as exchange:
        feed = Feed(products, "matches", url=exchange.url)
        with serve(feed, port=0, products=3) as server, feed:
            eventually(lambda: len(feed.stats.by_product) > 5)
            found = scrape(server.url).by("rxfeed_messages_total", "product")
    assert len(found) <= 5  # three products, other, and none
    assert found["other",] > 0


def test_scrape_has_no_secrets(tmp_path: Path) -> None:
    with Exchange(["BTC-USD"], rate=300) as exchange:
        url = exchange.url.replace("ws://", "ws://someone:hunter2@") + "?token=hunter3"
        feed = Feed("BTC-USD", "matches", url=Secret(url))
        with serve(feed, port=0, sample_seconds=0.05) as server, feed:
            eventually(lambda: feed.stats.messages > 20)
            with urllib.request.urlopen(server.url, timeout=10) as response:
                text = response.read().decode()
    assert "hunter" not in text
    assert "someone" not in text


def test_serve_refuses_what_it_cannot_serve() -> None:
    with pytest.raises(ConfigError, match="metrics: 3 has none; give feeds"):
        serve(3, port=0)
    with serve(port=0) as server, pytest.raises(ConfigError, match="choose another port"):
        serve(port=server.port)
    with pytest.raises(ConfigError, match="not that of a metrics endpoint"):
        read_scrape("<html> is {no metric\n")


@pytest.mark.parametrize("redundancy", [1, 2])
def test_scrape_has_the_sums_of_all_connections(redundancy: int) -> None:
    names = [f"P{number}-USD" for number in range(31 if redundancy == 1 else 2)]
    with Exchange(names, venue="coinbase_advanced", seed=3, auto=False) as exchange:
        at_once = Reconnect(initial=0, maximum=0)
        feed = Feed(
            names, ["book", "trades"], venue="coinbase_advanced", url=exchange.url, redundancy=redundancy,
            reconnect=at_once,
        )  # fmt: skip

        def is_still() -> bool:
            """True if all requests are answered, so that no frame comes."""
            frames = exchange.sent.frames
            time.sleep(0.3)
            return feed.stats.frames == exchange.sent.frames == frames

        with serve(feed, port=0, products=50) as server, feed:
            exchange.wait_for_clients(2)
            exchange.inject(faults.Reset(connection=exchange.open_connections[0]))
            eventually(lambda: feed.stats.connections == 3)
            exchange.wait_for_clients(2)

            def advance() -> bool:
                exchange.advance(0.1)
                stats = feed.stats
                return all(each.up for each in feed.connections) and (redundancy == 1 or stats.duplicates > 0)

            eventually(advance)
            eventually(lambda: feed.stats.frames == exchange.sent.frames and is_still())
            found, infos, stats = scrape(server.url), feed.connections, feed.stats
            for name, summed in (
                ("rxfeed_frames_total", [each.frames for each in infos]),
                ("rxfeed_received_bytes_total", [each.bytes for each in infos]),
                ("rxfeed_connections_total", [each.connections for each in infos]),
                ("rxfeed_reconnects_total", [each.reconnects for each in infos]),
                ("rxfeed_duplicates_total", [each.duplicates for each in infos]),
            ):
                assert (len(summed), found.total(name)) == (2, sum(summed))
            assert found.total("rxfeed_messages_total") == stats.messages
            assert (found.total("rxfeed_duplicates_total") > 0) == (redundancy == 2)
            assert stats.interruptions == sum(each.interruptions for each in infos)
