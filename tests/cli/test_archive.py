"""`rxfeed export` and `rxfeed replay`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from rxfeed.cli import main
from rxfeed.cli.arguments import parser
from tests.support import archives as a
from tests.support import segments as made
from tests.support.make import match, ticker

FRAMES = [match(n + 1, trade_id=n, time=n).raw for n in range(3)] + [ticker(9, time=3).raw]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    folder = tmp_path / "recording"
    folder.mkdir()
    made.write(folder, made.lines_of(FRAMES))
    return folder


def test_export_prints_what_it_has_done(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["export", str(recording), "--to", str(out)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("1 file exported in ")
    assert told[1].startswith(f"4 messages into 4 files of {out}, ")
    assert [line.split() for line in told[2:]] == [
        ["trades", "3"],
        ["tickers", "1"],
        ["candles", "1"],
        ["coverage", "2"],
    ]
    assert main(["export", str(recording), "--to", str(out)]) == 0
    assert "0 files exported in 0.0 s, 1 were exported before" in capsys.readouterr().out
    assert len(a.rows(out, "trades", a.TRADE)) == 3


def test_export_options_reach_the_export(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    options = (
        "--tables trades candles --seconds 2 --floats --since 2026-01-02T12:00:01 --until 2026-01-02T12:00:02 --json"
    )
    assert main(["export", str(recording), "--to", str(out), *options.split()]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == {"trades": 1, "candles": 1}
    assert [row[4:7] for row in a.rows(out, "trades", a.TRADE)] == [(1, 2.0, 1.0)]
    assert main(["export", str(recording), "--to", str(out)]) == 2
    assert "give the same options, or another folder" in capsys.readouterr().err


def test_export_of_a_damaged_file_exits_with_1(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = recording.iterdir()
    path.write_bytes(path.read_bytes()[:-40])
    assert main(["export", str(recording), "--to", str(tmp_path / "out")]) == 1
    out, err = capsys.readouterr()
    assert f"damaged: {path}, line 6: " in out
    assert "what is before is exported" in err
    assert len(a.rows(tmp_path / "out", "trades", a.TRADE)) == 3


def test_replay_prints_messages_and_frames(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(recording)]) == 0
    assert capsys.readouterr().out.splitlines()[0].split()[:4] == ["12:00:00.000", "BTC-USD", "match", "1"]
    assert main(["replay", str(recording), "--json", "--since", "2026-01-02T13:00:02+01:00"]) == 0
    assert capsys.readouterr().out.splitlines() == [raw.decode() for raw in FRAMES[2:]]


def test_replay_of_a_damaged_file_exits_with_1(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = recording.iterdir()
    path.write_bytes(path.read_bytes()[:-40])
    assert main(["replay", str(recording), "--json"]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 4


@pytest.mark.parametrize("option", ["--loop", "--hold"])
def test_options_of_the_exchange_need_one(option: str, recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(recording), option]) == 2
    assert f"{option}: only with --as-exchange" in capsys.readouterr().err


@pytest.mark.parametrize(
    "args",
    [
        ["export", "here"],
        ["export", "here", "--to", "there", "--tables", "trade"],
        ["export", "here", "--to", "there", "--every", "soon"],
        ["export", "here", "--to", "there", "--since", "yesterday"],
        ["replay", "here", "--as-exchange", "70000"],
        ["replay", "here", "--as-exchange", "0", "--json"],
        ["replay", "here", "--speed", "0"],
    ],
)
def test_bad_usage_of_archives_exits_with_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(args)
    assert ended.value.code == 2
    assert "usage: rxfeed" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["export", "replay"])
def test_help_of_archives_fits_the_screen(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = capsys.readouterr().out
    assert "exit status:" in text
    assert max(map(len, text.splitlines())) <= 80


def test_times_and_durations_are_read() -> None:
    def options(*args: str) -> object:
        return parser().parse_args(["export", "here", "--to", "there", *args])

    found = vars(options("--every", "500ms", "--since", "2026-01-02", "--until", "2026-01-02T01:00+01:00"))
    assert found["every"] == 0.5
    assert found["since"] == datetime(2026, 1, 2, tzinfo=UTC)
    assert found["until"] == datetime(2026, 1, 2, 1, tzinfo=timezone(timedelta(hours=1)))
    assert vars(options())["every"] == 1
    assert vars(options("--every", "change"))["every"] is None
    assert vars(options("--every", "2m"))["every"] == 120
