"""What docs/how_to/repair.md shows runs."""

from __future__ import annotations

import re
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rxfeed.sim import Exchange

PAGE = (Path(__file__).parents[2] / "docs" / "how_to" / "repair.md").read_text()
FEED, WARM, CANDLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_docs_repair_example_reports_the_repair(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(FEED, "docs/how_to/repair.md", "exec"), {})
    out = capsys.readouterr().out
    assert re.search(
        r"^Repaired product_id=BTC-USD channel=matches first=\d+ last=\d+ seconds=0\.\d+$", out, re.MULTILINE
    )
    assert "Gap " not in out
    assert re.search(r" False [1-9]\d*$", out, re.MULTILINE), "the last window has not ended, and has repaired trades"


def test_docs_warm_start_example_has_complete_windows_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    start = datetime.now(UTC) - timedelta(seconds=240)
    with Exchange(["BTC-USD"], seed=2, rate=50, auto=False, start=start) as exchange:
        exchange.advance(240)
        stepped = threading.Thread(target=lambda: [exchange.advance(1) or time.sleep(0.05) for _ in range(70)])
        stepped.start()
        local = WARM.replace("backfill=120", "url=URL, backfill=120").replace("seconds=120", "seconds=2")
        exec(compile(local, "docs/how_to/repair.md", "exec"), {"URL": exchange.url})
        stepped.join()
    out = capsys.readouterr().out
    assert re.search(r"^Backfilled product_id=BTC-USD channel=matches first=\d+ last=\d+ seconds=\d", out, re.MULTILINE)
    windows = [line.endswith("True") for line in out.splitlines() if not line.startswith("Backfilled")]
    assert windows.count(True) >= 1


def test_docs_candle_history_example_prints_candles(capsys: pytest.CaptureFixture[str]) -> None:
    with Exchange(["BTC-USD"], seed=2) as exchange:
        local = CANDLES.replace("3600)", "3600, url=REST_URL)")
        exec(compile(local, "docs/how_to/repair.md", "exec"), {"REST_URL": exchange.rest_url})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 20
    assert lines[0].endswith(" True")
    assert lines[-1].endswith(" False")
