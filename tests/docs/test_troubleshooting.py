"""What docs/troubleshooting.md shows runs, and its exit statuses are those of the command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rxfeed
from rxfeed.cli import main
from rxfeed.cli.arguments import parser
from rxfeed.cli.doctor_options import ExitStatus
from rxfeed.sim import Exchange

PAGE = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)).splitlines()


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exchange]:
    with Exchange(["BTC-USD"], seed=3, rate=500) as exchange:

        class LocalFeed(rxfeed.Feed):
            def __init__(self, *args: Any, **named: Any) -> None:
                super().__init__(*args, **({"url": exchange.url} | named))

            def collect(self, *operators: Any, seconds: Any = None) -> list[Any]:
                return super().collect(*operators, seconds=min(seconds, 0.5))

        monkeypatch.setattr(rxfeed, "Feed", LocalFeed)
        yield exchange


def test_troubleshooting_blocks_run(exchange: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    for block in BLOCKS:
        exec(compile(block, "docs/troubleshooting.md", "exec"), {})
    out = capsys.readouterr().out
    assert re.search(r"^[1-9]\d+ messages$", out, re.MULTILINE)
    assert re.search(r"^\d+ messages, .* frames, 1 connections, lag 0", out, re.MULTILINE)
    assert "60600.1010 60600.10" in out


def test_troubleshooting_commands_run(exchange: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        assert parser().parse_args(shlex.split(command)[1:]).command == "doctor"
    assert main([*shlex.split(COMMANDS[0])[1:], "--url", exchange.url]) == 0
    shown = re.findall(r"^(?:ok|coinbase).*", PAGE, re.MULTILINE)
    steps = [line.split()[1] for line in shown if line.startswith("ok") and "TLS  " not in line]
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("ok")] == steps


def test_troubleshooting_lists_every_exit_status() -> None:
    listed = {int(number) for number in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    assert listed == {2, *map(int, ExitStatus)}
