"""What docs/how_to/parquet.md shows works."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rxfeed import Feed, record
from rxfeed.archive import TABLES
from rxfeed.sim import Exchange
from tests.support import archives as a

PAGE = (Path(__file__).parents[2] / "docs" / "how_to" / "parquet.md").read_text()
EXPORT, POLARS, DUCKDB, PANDAS, METADATA, STREAM, SERVE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(COMMAND,) = re.findall(r"```sh\n(.*?)\n```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recordings, and the archive that the page's first block makes of them."""
    folder = tmp_path_factory.mktemp("docs")
    with Exchange(["BTC-USD", "ETH-USD"], seed=2, auto=False) as exchange:
        feed = Feed(["BTC-USD", "ETH-USD"], ["matches", "heartbeat", "ticker", "level2_batch"], url=exchange.url)
        feed.pipe(record(folder / "recordings")).subscribe()
        with feed:
            exchange.wait_for_clients()
            exchange.advance(20)
            a.wait(lambda: feed.stats.frames >= exchange.sent.frames)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run(EXPORT)
    return folder


def run(block: str, **names: object) -> None:
    exec(compile(block, "docs/how_to/parquet.md", "exec"), dict(names))


@pytest.fixture(autouse=True)
def _inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def trades() -> int:
    return len(a.rows(Path("archive"), "trades", ["trade_id"]))


def test_docs_export_fills_every_table() -> None:
    assert trades() > 100
    assert sorted(path.name for path in Path("archive").iterdir() if path.name != ".rxfeed") == sorted(TABLES)


def test_docs_columns_are_those_of_the_files() -> None:
    import duckdb
    import pyarrow.parquet

    listed = re.findall(r"^\| `(\w+)` \|[^|]*\| (.*) \|$", PAGE, re.MULTILINE)
    assert [table for table, _ in listed] == ["trades", "book_updates", "book_tops", "tickers", "candles", "coverage"]
    for table, columns in listed:
        schema = pyarrow.parquet.read_schema(a.files(Path("archive"), table)[0])
        names = re.findall(r"`(\w+)`", columns)
        assert schema.names == names
        # No name is a reserved word of SQL.
        duckdb.execute(f"select {', '.join(names)} from 'archive/{table}/**/*.parquet'").fetchall()


def test_docs_polars_line_sums_every_trade(capsys: pytest.CaptureFixture[str]) -> None:
    import polars

    run(POLARS)
    assert "BTC-USD" in capsys.readouterr().out
    read = polars.scan_parquet("archive/trades").collect()
    assert len(read) == trades()
    assert {"venue", "product", "date"} <= set(read.columns)
    assert str(read["price"].dtype) == "Decimal(precision=38, scale=12)"


def test_docs_duckdb_line_counts_every_trade(capsys: pytest.CaptureFixture[str]) -> None:
    import duckdb

    run(DUCKDB)
    assert "ETH-USD" in capsys.readouterr().out
    (count,) = duckdb.execute("select count(*) from 'archive/trades/**/*.parquet'").fetchall()
    assert count == (trades(),)
    described = duckdb.execute("describe select * from 'archive/trades/**/*.parquet'").fetchall()
    kinds = {name: kind for name, kind, *_ in described}
    assert kinds["price"] == "DECIMAL(38,12)"
    assert kinds["date"] == "DATE"


def test_docs_pandas_line_reads_the_candles(capsys: pytest.CaptureFixture[str]) -> None:
    import pandas

    run(PANDAS)
    assert "BTC-USD" in capsys.readouterr().out
    assert len(pandas.read_parquet("archive/trades")) == trades()


def test_docs_metadata_block_prints_the_coverage(capsys: pytest.CaptureFixture[str]) -> None:
    run(METADATA)
    assert "'first_id': " in capsys.readouterr().out


def test_docs_stream_block_writes_what_it_counts(capsys: pytest.CaptureFixture[str]) -> None:
    with Exchange(["BTC-USD"], seed=2, rate=500) as exchange:
        run(STREAM, URL=exchange.url, SECONDS=0.5)
    told = capsys.readouterr().out
    written = len(a.rows(Path("live"), "trades", ["trade_id"]))
    assert f"written={written}," in told
    assert "ParquetWrite(items=" in told


def test_docs_serve_block_gets_the_trades(capsys: pytest.CaptureFixture[str]) -> None:
    run(SERVE.replace("speed=10", "speed=None"), SECONDS=1.0)
    assert "match" in capsys.readouterr().out.splitlines()


def test_docs_command_serves_the_recording() -> None:
    from websockets.sync.client import connect

    words = COMMAND.replace("8765", "0").split()
    command = [sys.executable, "-m", "rxfeed.cli", *words[1:]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split(": ")[0]
        with connect(url) as client:
            client.send(json.dumps({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["matches"]}))
            kinds = [json.loads(client.recv(timeout=20))["type"] for _ in range(2)]
        process.send_signal(signal.SIGTERM)
        told = process.stdout.read()
    assert kinds == ["subscriptions", "last_match"]
    assert process.returncode == 0
    assert "1 connection, " in told
