"""`rxfeed demo`: its exit status and its counts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from rxfeed.cli import main
from rxfeed.cli.mongo_url import MongoUrl
from rxfeed.metrics import METRICS, Scrape, read_scrape
from rxfeed.sim import mongod as mongod_module
from rxfeed.sim.mongod import Mongod, find_mongod
from tests.metrics.queries import dashboard_queries, rule_queries, uses

Start = Callable[..., "subprocess.Popen[str]"]

needs_mongod = pytest.mark.skipif(
    find_mongod() is None, reason="no mongod: neither on PATH nor from the wheel of the `demo` extra (Linux x86-64)"
)


def sums_agree(file: Path) -> dict[str, Any]:
    """The summary in *file*, once its sums are found to agree."""
    summary = json.loads(file.read_text())
    assert summary["ok"] is True
    assert summary["problem"] is None
    assert summary["sent"] == summary["received"] == summary["stored"] > 0
    assert summary["malformed"] == 0
    for kind, counts in summary["by_type"].items():
        assert counts["sent"] == counts["received"] == counts["stored"], kind
    assert sum(counts["sent"] for counts in summary["by_type"].values()) == summary["sent"]
    trades = [counts["received"] for kind, counts in summary["by_type"].items() if kind in ("match", "market_trade")]
    assert [summary["trades"]] == trades
    return summary


@needs_mongod
def test_demo_metrics_have_every_value_of_the_dashboard(start: Start) -> None:
    """With plausible values; the metrics of events that a demo does not have are 0."""
    process = start("demo", "--rate", "300", "--window", "1", "--metrics", ":0")
    assert process.stderr is not None
    url = process.stderr.readline().rpartition(" ")[2].strip()
    names = {use.name for use in uses([*dashboard_queries(), *rule_queries()])}

    def values() -> Scrape:
        with urllib.request.urlopen(url, timeout=10) as response:
            return read_scrape(response.read().decode())

    def ready(found: Scrape) -> bool:
        return all(found.series(name) for name in names) and found.total("rxfeed_parquet_files_total") > 0

    deadline = time.monotonic() + 40
    while not ready(found := values()):
        assert time.monotonic() < deadline, [name for name in names if not found.series(name)]
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=40)
    assert process.returncode == 0, out
    zero = {name for name in names if not found.total(name)}
    assert {name for name in METRICS if name not in zero} >= {
        *("rxfeed_messages_total", "rxfeed_received_bytes_total", "rxfeed_step_items_total", "rxfeed_queue_size_items"),
        *("rxfeed_recorder_frames_total", "rxfeed_parquet_rows_total", "rxfeed_mongo_documents_total"),
        *("rxfeed_pongs_total", "rxfeed_subscriptions", "rxfeed_disk_free_bytes", "rxfeed_samples_total"),
    }
    assert zero >= {"rxfeed_malformed_total", "rxfeed_gaps_total", "rxfeed_reconnects_total", "rxfeed_spill_bytes"}
    assert 55_000 < found.by("rxfeed_last_price", "product")["BTC-USD",] < 65_000
    bid, ask = (found.by(f"rxfeed_best_{side}", "product") for side in ("bid", "ask"))
    assert all(0 < bid[product] < ask[product] for product in bid)
    assert set(found.by("rxfeed_book_ready", "product").values()) == {1}


@needs_mongod
@pytest.mark.parametrize("venue", ["coinbase_exchange", "coinbase_advanced"])
def test_demo_counts_agree(venue: str, start: Start, tmp_path: Path) -> None:
    file = tmp_path / "sums.json"
    options = ("--seconds", "3.2", "--window", "1", "--rate", "300", "--summary", str(file))
    process = start("demo", "--venue", venue, *options)
    out, err = process.communicate(timeout=50)
    assert (process.returncode, err) == (0, "")
    summary = sums_agree(file)
    assert 3.2 <= summary["seconds"] < 6
    assert summary["windows"] >= 4
    assert summary["complete_windows"] >= 2
    assert summary["crossings"] > 0
    assert "\x1b" not in out
    assert f"{summary['sent']:,}" in out
    assert out.splitlines()[-1].startswith("The counts agree")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_demo_ends_on_a_signal_with_its_summary(
    ending: signal.Signals, mongod: Mongod, start: Start, tmp_path: Path
) -> None:
    file = tmp_path / "sums.json"
    process = start("demo", "--mongo", mongod.uri, "--summary", str(file))
    assert process.stdout is not None
    assert "BTC-USD" in process.stdout.readline()
    process.send_signal(ending)
    out, err = process.communicate(timeout=50)
    assert (process.returncode, err) == (0, "")
    assert "The counts agree" in out
    summary = sums_agree(file)
    database, _, name = summary["collection"].partition(".")
    with MongoClient[Any](mongod.uri) as client:
        assert client[database][name].count_documents({}) == summary["stored"]
        client.drop_database(database)


@needs_mongod
def test_demo_ctrl_c_in_a_terminal_stops_the_private_server(start: Start) -> None:
    # A terminal sends SIGINT to the whole group of processes.
    process = start("demo")
    assert process.stdout is not None
    while "BTC-USD" not in process.stdout.readline():
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=50)
    assert process.returncode == 0
    assert "The counts agree" in out


def test_demo_without_mongod_exits_with_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(mongod_module, "find_mongod", lambda: None)
    assert main(["demo", "--seconds", "1"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("rxfeed demo: no mongod")
    assert "rxfeed[demo]" in err
    assert "--mongo URL" in err


@pytest.mark.parametrize("url", ["mongodb://user:se/cret@host", "mongodb://user:p@sscret@host", "http://secret"])
def test_demo_bad_url_exits_with_2_and_is_not_shown(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--mongo", url, "--seconds", "1"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("rxfeed demo: --mongo: ")
    assert "cret" not in err


@pytest.mark.parametrize("source", ["file", "environment"])
def test_demo_url_from_file_or_environment_is_not_shown(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "url"
    file.write_text("mongodb://user:sscret@127.0.0.1:1/?serverSelectionTimeoutMS=100\n")
    more = ["--mongo-file", str(file)] if source == "file" else []
    if source == "environment":
        monkeypatch.setenv("RXFEED_MONGO_URL", file.read_text().strip())
    assert main(["demo", "--seconds", "1", *more]) == 2
    out, err = capsys.readouterr()
    name = f"--mongo-file {file}" if source == "file" else "RXFEED_MONGO_URL"
    assert err.startswith(f"rxfeed demo: {name}: no usable MongoDB at this URL: ")
    assert "sscret" not in out + err


def test_demo_argument_overrides_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RXFEED_MONGO_URL", "http://environment")
    assert main(["demo", "--mongo", "http://argument", "--seconds", "1"]) == 2
    assert capsys.readouterr().err.startswith("rxfeed demo: --mongo: ")
    with pytest.raises(SystemExit):
        main(["demo", "--mongo", "http://argument", "--mongo-file", "file"])


def test_demo_unreadable_url_file_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--mongo-file", str(tmp_path / "none")]) == 2
    expected = f"rxfeed demo: --mongo-file: {tmp_path}/none cannot be read: No such file or directory\n"
    assert capsys.readouterr().err == expected


def test_demo_stores_where_the_environment_names_a_server(mongod: Mongod, start: Start, tmp_path: Path) -> None:
    file = tmp_path / "sums.json"
    environment = {"RXFEED_MONGO_URL": mongod.uri}
    process = start("demo", "--seconds", "0.5", "--summary", str(file), env=environment)
    out, err = process.communicate(timeout=50)
    assert (process.returncode, err) == (0, "")
    assert "starting MongoDB" not in out
    database, _, name = sums_agree(file)["collection"].partition(".")
    with MongoClient[Any](mongod.uri) as client:
        assert client[database][name].count_documents({}) > 0
        client.drop_database(database)


@pytest.mark.parametrize(
    ("url", "exposed"),
    [
        ("mongodb://user:secret@host/", True),
        ("mongodb+srv://user:p@ss@host/", True),
        ("mongodb://user@host:27017/", False),
        ("mongodb://host:27017,other:27017/?a=b", False),
    ],
)
def test_demo_password_in_arguments_is_warned_of(url: str, exposed: bool, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(url)
    found = [MongoUrl.find(url, None, {}), MongoUrl.find(None, tmp_path / "url", {})]
    assert [each is not None and each.is_exposed for each in found] == [exposed, False]
    assert "secret" not in repr(found)


def test_demo_unreachable_server_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    url = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100"
    assert main(["demo", "--mongo", url, "--seconds", "1"]) == 2
    assert capsys.readouterr().err.startswith("rxfeed demo: --mongo: no usable MongoDB at this URL")


@pytest.mark.parametrize("args", [["--summary", "nowhere/at/all.json"], ["--window", "1e-9"]])
def test_demo_errors_precede_the_start(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--seconds", "1", *args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rxfeed demo: ")


@needs_mongod
def test_demo_database_failure_exits_with_1_and_the_reason(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "sums.json"
    with Mongod() as server:
        url = f"{server.uri}/?serverSelectionTimeoutMS=300"
        process = start("demo", "--mongo", url, "--summary", str(file))
        assert process.stdout is not None
        assert "BTC-USD" in process.stdout.readline()
        server.kill()
        out, _ = process.communicate(timeout=50)
    assert process.returncode == 1
    assert "The counts do not agree" in out
    assert "documents not written" in out
    assert json.loads(file.read_text())["ok"] is False
