"""The command itself: help, usage, and missing extras."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rxfeed import __version__
from rxfeed.cli import main

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--help"], ["demo", "watch", "record", "examples:", "rxfeed watch BTC-USD"]),
        (["demo", "--help"], ["--seconds N", "until Ctrl-C", "(default: 200.0)", "--mongo URL", "examples:"]),
        (["watch", "--help"], ["--channel NAME", "(default: ticker)", "COINBASE_API_KEY", "exit status:"]),
        (
            ["record", "--help-all"],
            ["--to DIR", "(default: trades)", "--venue", "--segment-mb N", "exit status:"],
        ),
        (["record", "--help"], ["--to DIR", "(default: trades)", "--venue", "exit status:", "--help-all"]),
        (["doctor", "--help"], ["--channel NAME", "--proxy URL", "exit status:", "8 credentials"]),
        (["ls", "--help"], ["PATH", "--json", "exit status:", "examples:", "rxfeed ls recordings/"]),
        (["--version"], [f"rxfeed {__version__}"]),
    ],
)
def test_help_lists_options_defaults_and_examples(
    args: list[str], told: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        main(args)
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert [each for each in told if each not in text] == []
    assert max(map(len, text.splitlines())) <= 80
    if args != ["record", "--help-all"]:
        assert len(text.splitlines()) <= 42  # a screen


COMMANDS = ["demo", "watch", "record", "top", "products", "ls", "audit", "repair", "export", "replay", "doctor"]


def test_help_of_each_command_fits_a_screen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first line has the required arguments only; bad usage shows all of them."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out
    assert [each for each in COMMANDS if f"\n    {each} " not in listed] == []
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith(f"usage: rxfeed {command} [options]"), lines[0]
        assert lines[1] == ""
        assert len(lines) <= 42
        assert max(map(len, lines)) <= 80
    with pytest.raises(SystemExit):
        main(["watch", "--count", "0", "BTC-USD"])
    assert "[--venue VENUE]" in capsys.readouterr().err


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["dance"],
        ["demo", "--seconds", "0"],
        ["demo", "--rate", "nan"],
        ["demo", "--window", "soon"],
        ["watch"],
        ["record", "BTC-USD"],
        ["record", "--to", "here"],
        ["record", "BTC-USD", "--to", "here", "--segment-mb", "0"],
        ["watch", "BTC-USD", "--count", "0"],
        ["ls"],
        ["watch", "BTC-USD", "--count", "1.5"],
    ],
)
def test_bad_usage_exits_with_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(args)
    assert ended.value.code == 2
    assert "usage: rxfeed" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["rich", "websockets"])
def test_missing_extra_is_named(missing: str, start: Start, tmp_path: Path) -> None:
    (tmp_path / f"{missing}.py").write_text(f"raise ModuleNotFoundError('no {missing}', name='{missing}')\n")
    process = start("demo", "--seconds", "1", path=tmp_path)
    out, err = process.communicate(timeout=50)
    assert (process.returncode, out) == (2, "")
    hint = 'pip install "rxfeed[demo]" (in a clone of rxfeed: pip install ".[demo]")'
    assert err == f"rxfeed demo: {missing} is not installed, and the demo needs it: {hint}\n"


def test_watch_needs_no_extra(start: Start, tmp_path: Path) -> None:
    for name in ("rich", "websockets"):
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('no {name}', name='{name}')\n")
    process = start("watch", "BTC-USD", "--url", "ws://127.0.0.1:1", path=tmp_path)
    _, err = process.communicate(timeout=50)
    assert process.returncode == 1
    assert "refused" in err
