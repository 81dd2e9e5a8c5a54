"""The code of docs/how_to/replay.md: one study live and replayed, and a back-test."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.doc_pages import DOCS
from tests.support.local_feeds import local_feeds, record_in

PAGE = (DOCS / "how_to" / "replay.md").read_text("utf-8")
STUDY, BACKTEST = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with local_feeds(monkeypatch):
        yield


@pytest.mark.usefixtures("local")
def test_study_is_equal_over_live_and_replay(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code is unchanged, but connects to the local exchange."""
    monkeypatch.chdir(tmp_path)
    exec(compile(STUDY, "how_to/replay.md", "exec"), {})
    windows = capsys.readouterr().out.splitlines()
    half = len(windows) // 2
    assert half > 1
    assert windows[:half] == windows[half:]


@pytest.mark.usefixtures("local")
def test_sections_run_in_order(
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The code is unchanged, and run in order: the back-test uses the recording of an earlier section."""
    monkeypatch.chdir(tmp_path)
    for block in (STUDY, BACKTEST):
        exec(compile(block, "how_to/replay.md", "exec"), {})
        backtest = capsys.readouterr().out
    assert "vwap" in backtest  # of the table's head
    assert backtest.count("PaperOpen ") == 1
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_back_test_orders_once_with_two_products_recorded(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record_in("recordings", ["level2_batch", "matches", "heartbeat"])
    exec(compile(BACKTEST, "how_to/replay.md", "exec"), {})
    assert capsys.readouterr().out.count("PaperOpen ") == 1


def test_back_test_of_a_recording_without_books_warns_once(
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    record_in("recordings", ["matches", "heartbeat"])
    exec(compile(BACKTEST, "how_to/replay.md", "exec"), {})
    assert "Paper" not in capsys.readouterr().out
    (warning,) = (record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)
    assert re.search(r"PaperMarket of BTC-USD: no snapshot .* level2 or level2_batch", warning)
