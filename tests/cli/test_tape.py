"""`rxfeed publish`, `rxfeed tape` and `rxfeed work`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rxfeed import Replay
from rxfeed.cli import main
from rxfeed.sim import Exchange
from rxfeed.sim.nats_server import NatsServer, find_nats_server
from rxfeed.testing import trade
from tests.tape.tapes import publish

pytestmark = pytest.mark.skipif(find_nats_server() is None, reason="no nats-server")


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    with NatsServer() as server:
        yield server


def test_publish_puts_a_feed_on_the_tape_and_tape_shows_it(
    server: NatsServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with Exchange(["BTC-USD"], seed=1, rate=200) as exchange:
        options = ["--url", exchange.url, "--nats", server.url, "--seconds", "0.8", "--publisher", "here"]
        assert main(["publish", "BTC-USD", *options, "--stream", "live", "--max-age", "48h"]) == 0
    assert " published, 0 were on the tape before" in capsys.readouterr().out
    assert main(["tape", "--nats", server.url, "--stream", "live"]) == 0
    shown = capsys.readouterr().out
    assert "retention   2 days, 1 copy, duplicates refused within 120 s" in shown
    assert "publisher   here (coinbase_exchange): session " in shown
    assert main(["tape", "--nats", server.url, "--stream", "live", "--json"]) == 0
    state = json.loads(capsys.readouterr().out)
    assert state["publishers"][0]["products"] == 1
    assert state["messages"] > 5


def test_url_from_a_file_is_not_shown(server: NatsServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(Replay([trade(trade_id=1)]), server.url, "file")
    file = tmp_path / "url"
    file.write_text(server.url.replace("//", "//me:very-hidden@") + "\n")
    assert main(["tape", "--nats-file", str(file), "--stream", "file"]) == 0
    assert main(["tape", "--nats-file", str(file), "--stream", "none"]) == 2
    output = capsys.readouterr()
    assert "there is no stream none: rxfeed publish makes it" in output.err
    assert "very-hidden" not in output.out + output.err


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["tape", "--nats", "http://x"], 2, "url: http://x is not a NATS URL"),
        (["tape", "--nats-file", "/nowhere"], 2, "--nats-file: /nowhere cannot be read"),
        (["work", "study", "--group", "g"], 2, "study: 'study' is not FILE:FUNCTION"),
        (["work", "/nowhere.py:study", "--group", "g"], 2, "study: there is no file /nowhere.py"),
    ],
)
def test_bad_usage_is_named(arguments: list[str], status: int, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == status
    assert text in capsys.readouterr().err


def test_worker_runs_the_shards_of_a_tape(
    server: NatsServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(Replay([trade(trade_id=number + 1, time=number) for number in range(130)]), server.url, "work")
    study = tmp_path / "study.py"
    study.write_text(
        "from rxfeed import window_volume\ndef study(source):\n    return source.pipe(window_volume(60))\n"
    )
    command = ["work", f"{study}:study", "--group", "g", "--shards", "4", "--nats", server.url, "--stream", "work"]
    assert main([*command, "--seconds", "1.5"]) == 0
    assert "2 results published" in capsys.readouterr().out
    assert main([*command, "--seconds", "1.5"]) == 0
    assert "0 results published" in capsys.readouterr().out
