"""`rxfeed audit`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rxfeed.cli import main
from tests.support import archives as a


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    a.record_exchange(folder, steps=100)
    return folder


def test_audit_prints_a_table_that_fits(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(recordings), "--every", "1s"]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert next(line for line in lines if line.startswith("product")).split()[:3] == ["product", "channel", "messages"]
    assert any(line.startswith("BTC-USD, matches") for line in lines)
    assert lines[-1].endswith("numbers missing")


def test_audit_of_a_short_recording_names_the_finer_spans(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["audit", str(recordings)])
    assert "(spans of 1 hour in each state; --every 1m shows minutes)" in capsys.readouterr().out
    main(["audit", str(recordings), "--every", "1m"])
    assert "(spans of 1 minute in each state)" in capsys.readouterr().out


def test_audit_prints_json_with_all_spans(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(recordings), "--json", "--products", "ETH-USD"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert {row["product"] for row in found["rows"]} == {"ETH-USD"}
    assert sum(each["last"] - each["first"] + 1 for each in found["missing"]) > 0
    assert found["status"] == 3


def test_audit_of_a_whole_recording_succeeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beat = '{"type":"heartbeat","product_id":"A-B","sequence":1,"last_trade_id":3,"time":"2026-01-02T12:00:00Z"}\n'
    (tmp_path / "plain.jsonl").write_text(beat)
    assert main(["audit", str(tmp_path)]) == 0
    assert capsys.readouterr().out.endswith("nothing is known to be missing\n")


def test_audit_of_a_time_without_messages_proves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plain.jsonl").write_text('{"type":"heartbeat","product_id":"A-B","sequence":1,"last_trade_id":3}\n')
    assert main(["audit", str(tmp_path), "--since", "2026-01-02"]) == 3
    assert capsys.readouterr().out == "no message was recorded in this time: nothing is proven\n"


def test_audit_help_fits_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["audit", "--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
