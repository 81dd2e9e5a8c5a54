"""The Markdown depends on the JSON alone, and is written between the markers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.table import BEGIN, END, inserted, main, markdown, summary
from tests.benchmarks.results import advanced_trade, results


def test_every_client_has_a_line() -> None:
    lines = markdown(results()).splitlines()
    assert (
        "| rxfeed: feed | 410,000 | 0.98 x | 2.44 | 40 | 0.10, 1.00, 2.00 | 0.10, 1.00, 2.00 | 0.10, 1.00, 2.00 |"
        in lines
    )
    assert "| picows | missing: no wheel \\| for this machine |  |  |  |  |  |  |" in lines
    assert "| cbpro at work | 32.0 | missing: not done |" in lines
    assert "| cbpro (GitHub master) 1.1.4 | 20,000 | 20 x | 50.00 | 40 |  |  |  |" in lines
    assert any(line.startswith("- MISSED by 50%") for line in lines)
    # Each line of a table has as many cells as its head.
    for table in markdown(results()).split("\n\n"):
        rows = [row for row in table.splitlines() if row.startswith("|")]
        assert len({row.replace("\\|", "").count("|") for row in rows}) <= 1


def test_client_that_cannot_keep_up_shows_no_number() -> None:
    found = results()
    found["speed"]["websocket"] = {**found["speed"]["feed"], "label": "loop"}
    (line,) = [line for line in markdown(found).splitlines() if line.startswith("| loop")]
    assert line.endswith("| 0.10, 0.50, 2.00 | cannot keep up |")


def test_client_that_outruns_the_server_is_marked() -> None:
    found = results()
    found["server"] = 500_000.0
    assert "| 410,000 (the server is the limit) |" in markdown(found)


def test_partial_results_make_partial_tables() -> None:
    found = {key: value for key, value in results().items() if key not in ("speed", "latency", "load", "memory")}
    assert "|" not in markdown(found)
    assert markdown(found).endswith("- met: ten pipelines, the CPU of one: 1.5 x, at most 2 x")


def test_latencies_alone_make_a_table() -> None:
    found = {key: value for key, value in results().items() if key != "speed"}
    assert "| websocket | 0.10, 1.00, 2.00 | 0.10, 0.50, 2.00 | cannot keep up |" in markdown(found).splitlines()


def test_command_writes_between_the_markers_only(tmp_path: Path) -> None:
    saved, tables, readme = tmp_path / "results.json", tmp_path / "tables.md", tmp_path / "README.md"
    saved.write_text(json.dumps(results()))
    for path in (tables, readme):
        path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for _ in range(2):
        main(["--json", str(saved), "--into", str(tables), "--summary", str(readme)])
        assert tables.read_text() == f"before\n{BEGIN}\n{markdown(results())}\n{END}\nafter\n"
        assert readme.read_text() == f"before\n{BEGIN}\n{summary(results())}\n{END}\nafter\n"


def test_without_markers_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="where the table belongs"):
        inserted(f"{END}{BEGIN}", "table")
    saved, tables, readme = tmp_path / "results.json", tmp_path / "tables.md", tmp_path / "README.md"
    saved.write_text(json.dumps(results()))
    tables.write_text(f"{BEGIN}\nold\n{END}\n")
    readme.write_text("no markers")
    with pytest.raises(SystemExit, match="where the table belongs"):
        main(["--json", str(saved), "--into", str(tables), "--summary", str(readme)])
    assert tables.read_text() == f"{BEGIN}\nold\n{END}\n"


FIRST_ROW = "messages/s; rxfeed with a filter and a window, the others without"
LAST_ROW = "% of a core at 5,000 messages/s in bursts of 50; window and crossing but in the bare loop"


def test_summary_has_three_figures_and_no_goals() -> None:
    about, table = summary(results()).split("\n\n")
    assert about.startswith("Linux x86_64, 2 cores")
    assert table.splitlines() == [
        "|  | rxfeed | cbpro (GitHub master) 1.1.4 | advanced | bare loop |",
        "| --- | ---: | ---: | ---: | ---: |",
        f"| {FIRST_ROW} | 400,000 | 20,000 | 200,000 |  |",
        "| p99 latency at 5,000 messages/s, ms | 1.00 |  |  |  |",
        f"| {LAST_ROW} | 4.0 | 32.0 |  | 2.0 |",
    ]


def test_summary_of_partial_results_has_measured_rows_only() -> None:
    found = {key: value for key, value in results().items() if key not in ("speed", "latency", "load", "memory")}
    assert "|" not in summary(found)
    assert "\n\n1 of 1 goals are met.\n\n- " in markdown(found)


def test_goals_are_counted_with_their_verdicts() -> None:
    assert "\n\n6 of 9 goals are met.\n\n- " in markdown(results())


def test_second_venue_has_a_table_of_frames_and_trades() -> None:
    part = advanced_trade()
    lines = markdown(results() | {"advanced_trade": part}).splitlines()
    assert "| rxfeed: window | 300,000 | 30,000 | 1 x | 3.33 | 40 |" in lines
    assert "| advanced 1.8 | 60,000 | 6,000 | 5 x | 16.67 | 40 |" in lines
    assert any(line.endswith("A snapshot of 46,000 levels (5.1 MB) is a book after 0.20 s.") for line in lines)
    part["rows"]["advanced"] = {"label": "advanced", "missing": "no pip"}
    assert "| advanced | missing: no pip |  |  |  |  |" in markdown(results() | {"advanced_trade": part}).splitlines()
