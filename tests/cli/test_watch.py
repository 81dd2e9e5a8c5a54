"""`rxfeed watch` against a local exchange."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rxfeed.cli import main
from rxfeed.sim import Exchange, KeyPair, faults, key_pair
from tests.support.stopwatch import at_most

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    with Exchange(seed=3, rate=500) as exchange:
        yield exchange


def test_watch_counts_lines_and_prints_status_on_stderr(exchange: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "BTC-USD", "ETH-USD", "--url", exchange.url, "--count", "20"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert len(lines) == 20
    assert {line.split()[1] for line in lines} == {"BTC-USD", "ETH-USD"}
    assert {line.split()[2] for line in lines} == {"ticker"}
    assert err.splitlines() == [
        f"connecting to {exchange.url}",
        "connected",
        "subscribed to ticker (BTC-USD, ETH-USD)",
    ]


def test_watch_json_prints_the_frames(exchange: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["watch", "BTC-USD", "--channel", "matches", "--channel", "heartbeat", "--json", "--count", "5"]
    assert main([*args, "--url", exchange.url]) == 0
    frames = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(frames) == 5
    assert {frame["type"] for frame in frames} <= {"last_match", "match", "heartbeat"}
    assert all(isinstance(frame["price"], str) for frame in frames if frame["type"] == "match")


def test_watch_ends_after_seconds(exchange: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    begun = time.monotonic()
    with at_most(3):
        assert main(["watch", "BTC-USD", "--channel", "heartbeat", "--seconds", "0.5", "--url", exchange.url]) == 0
    assert time.monotonic() - begun >= 0.5


def test_watch_prints_one_line_for_each_frame(capsys: pytest.CaptureFixture[str]) -> None:
    frames = [
        '{"type":"ticker","sequence":1,"product_id":"A-B","price":"1.50","side":"buy","last_size":"2"}',
        '{"type":"received","product_id":"A-B","order_id":"x","side":"buy","time":"2026-01-02T12:00:00Z","price":"1"}',
        '{"type":"l2update","product_id":"A-B","changes":[["buy","1","2"],["sell","3","0"],["buy","1","2"],["buy","1","2"]]}',
        '{"type":"snapshot","product_id":"A-B","bids":[],"asks":[["1","2"]]}',
        '{"type":"new\\u001b[2J",\n"a":"\\u0007"}',
        "no message",
        '{"type":"ticker","product_id":"A-B","price":"NaN"}',
        '{"type":"status","products":[{"id":"A-B"}],"currencies":[]}',
    ]
    with Exchange.serving(frames) as exchange:
        assert main(["watch", "A-B", "--url", exchange.url, "--count", "6"]) == 0
    out, err = capsys.readouterr()
    assert [line.split("  ", 1)[1] for line in out.splitlines()] == [
        "A-B         ticker                  1.50               2  buy",
        "A-B         received                   1                  order_id x  side buy",
        "A-B         l2update      buy  1 2, sell 3 0, buy  1 2 and 1 more",
        "A-B         snapshot      0 bids, 1 asks  ask 1",
        '-           new?[2J       {"type":"new\\u001b[2J",?"a":"\\u0007"}',
        "-           status        1 products, 0 currencies",
    ]
    assert "malformed frame: not JSON" in err
    assert "malformed frame (ticker A-B): wrong shape: a number is not finite" in err


def test_watch_reconnects_and_reports_it(capsys: pytest.CaptureFixture[str]) -> None:
    script = [faults.Close(1001, "going away", after=40, connection=1), faults.Drop(2, types={"match"}, after=5)]
    with Exchange(["BTC-USD"], rate=1000, faults=script) as exchange:
        assert main(["watch", "BTC-USD", "--channel", "matches", "--url", exchange.url, "--count", "80"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 80
    assert "connection lost: the server closed the connection: 1001 going away\nnext attempt in " in err
    assert "of BTC-USD on matches" in err


def test_watch_json_prints_one_line_for_each_frame(capsys: pytest.CaptureFixture[str]) -> None:
    frame = '{"type":"ticker",\r\n"sequence":1, "product_id":"A-B",\n"price":"1"}'
    with Exchange.serving([frame]) as exchange:
        assert main(["watch", "A-B", "--json", "--count", "1", "--url", exchange.url]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == json.loads(frame)


def test_watch_without_a_server_exits_with_1_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{nobody.getsockname()[1]}"
        assert main(["watch", "BTC-USD", "--url", url]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 2
    assert err.splitlines()[1].startswith(f"rxfeed watch: {url}: ")
    assert "refused" in err


def test_watch_prints_the_reason_of_the_exchange_once(exchange: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "BTC-XXX", "--channel", "ticker", "--url", exchange.url]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    *_, rejected, remedy, last = err.splitlines()
    assert rejected == "rejected by the exchange: Failed to subscribe: BTC-XXX is not a valid product"
    assert remedy.startswith("check the products")
    assert last == "rxfeed watch: nothing to watch: the exchange rejected the subscription, see above"
    assert err.count("is not a valid product") == 1


@pytest.mark.parametrize("command", ["watch", "record"])
def test_unknown_product_of_another_venue_exits_with_1(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The venue does not reject it: it acknowledges nothing."""
    with Exchange(["BTC-USD"], venue="coinbase_advanced", auto=False) as exchange:
        args = [command, "FOO-BAR", "--channel", "trades", "--venue", "coinbase_advanced", "--url", exchange.url]
        assert main(args if command == "watch" else [*args, "--to", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert err.count("the venue has no product FOO-BAR") == 1
    assert err.count("not acknowledged by the exchange within 3 s: market_trades of FOO-BAR") == 1
    assert f"nothing to {command}: the exchange acknowledged no subscription, see above" in err.splitlines()[-1]


def test_remedy_follows_the_refusal(exchange: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    for args, what in (
        (["BTC-XXX"], "check the products of the feed: they are named as in BTC-USD"),
        (["BTC-USD", "--channel", "level2"], "give --auth and credentials in the environment, or a --channel without"),
    ):
        assert main(["watch", *args, "--url", exchange.url]) == 1
        refused, remedy = capsys.readouterr().err.splitlines()[2:4]
        assert refused.startswith("rejected by the exchange: ")
        assert remedy.startswith(what)


def test_what_is_granted_goes_on_without_what_is_not(exchange: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["watch", "BTC-XXX", "BTC-USD", "--channel", "ticker", "--seconds", "1.5"]
    assert main([*args, "--url", exchange.url]) == 0
    out, err = capsys.readouterr()
    assert "rejected by the exchange: Failed to subscribe: BTC-XXX is not a valid product\n" in err
    assert out


def test_watch_bad_url_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "BTC-USD", "--url", "http://127.0.0.1"]) == 2
    assert capsys.readouterr().err.startswith("rxfeed watch: url: ")


def test_watch_auth_without_credentials_exits_with_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, exchange: Exchange
) -> None:
    for name in ("KEY", "SECRET", "PASSPHRASE"):
        monkeypatch.delenv(f"COINBASE_API_{name}", raising=False)
    assert main(["watch", "BTC-USD", "--auth", "--url", exchange.url]) == 2
    assert "COINBASE_API_KEY" in capsys.readouterr().err


def test_watch_auth_signs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from rxfeed import Credentials

    key = Credentials("key", "c2VjcmV0LW9mLW1pbmU=", "passphrase")
    for name, value in (("KEY", key.key), ("SECRET", key.secret.reveal()), ("PASSPHRASE", key.passphrase.reveal())):
        monkeypatch.setenv(f"COINBASE_API_{name}", value)
    with Exchange(rate=500, credentials=key) as exchange:
        args = ["watch", "BTC-USD", "--channel", "full", "--auth", "--count", "10", "--url", exchange.url]
        assert main(args) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 10
    assert key.secret.reveal() not in out + err
    assert key.passphrase.reveal() not in out + err


def test_watch_ends_silently_on_a_closed_pipe(exchange: Exchange, start: Start) -> None:
    process = start("watch", "BTC-USD", "--url", exchange.url)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == 0
    assert process.stderr.read().splitlines()[-1].startswith("subscribed to")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_watch_ends_on_a_signal(ending: signal.Signals, exchange: Exchange, start: Start) -> None:
    process = start("watch", "BTC-USD", "--url", exchange.url)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(ending)
    _, err = process.communicate(timeout=50)
    assert process.returncode == 0
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["watch", "record"])
def test_refused_credentials_are_written_once(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rxfeed import Credentials

    for name, value in (("KEY", "key"), ("SECRET", "b3RoZXI="), ("PASSPHRASE", "phrase")):
        monkeypatch.setenv(f"COINBASE_API_{name}", value)
    with Exchange(auto=False, credentials=Credentials("key", "c2VjcmV0", "phrase")) as exchange:
        args = [command, "BTC-USD", "--channel", "full", "--auth", "--url", exchange.url]
        assert main(args + ["--to", str(tmp_path / "to")] * (command == "record")) == 1
    err = capsys.readouterr().err.lower()
    assert err.count("invalid api key") == 1
    assert err.count("check key, secret and passphrase") == 1


# Another venue


@pytest.fixture
def advanced() -> Iterator[tuple[Exchange, KeyPair]]:
    pair = key_pair()
    keys = {pair.name: pair.public_key}
    with Exchange(venue="coinbase_advanced", seed=3, rate=500, public_keys=keys) as exchange:
        yield exchange, pair


def test_watch_of_another_venue(advanced: tuple[Exchange, KeyPair], capsys: pytest.CaptureFixture[str]) -> None:
    url = advanced[0].url
    args = ["watch", "BTC-USD", "--venue", "coinbase_advanced", "--channel", "trades", "--channel", "book"]
    assert main([*args, "--count", "400", "--url", url]) == 0
    out, err = capsys.readouterr()
    lines = [line.split() for line in out.splitlines()]
    assert len(lines) == 400
    assert {line[2] for line in lines} == {"prior_trade", "market_trade", "l2_snapshot", "l2_update"}
    assert all(line[5] in ("buy", "sell") and line[6] == "trade" for line in lines if line[2].endswith("_trade"))
    assert err.splitlines()[-1] == "subscribed to level2 (BTC-USD), market_trades (BTC-USD)"


def test_watch_json_prints_a_frame_of_several_messages_once(
    advanced: tuple[Exchange, KeyPair], capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["watch", "BTC-USD", "--venue", "coinbase_advanced", "--channel", "trades", "--json", "--count", "150"]
    assert main([*args, "--url", advanced[0].url]) == 0
    frames = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len({frame["sequence_num"] for frame in frames}) == len(frames) < 50
    assert len(frames[0]["events"][0]["trades"]) == 100


def test_watch_auth_of_another_venue_signs(
    advanced: tuple[Exchange, KeyPair], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange, pair = advanced
    args = ["watch", "BTC-USD", "--venue", "coinbase_advanced", "--channel", "user", "--auth", "--count", "1"]
    monkeypatch.delenv("COINBASE_API_KEY", raising=False)
    monkeypatch.delenv("COINBASE_API_SECRET", raising=False)
    assert main([*args, "--url", exchange.url]) == 2
    assert "COINBASE_API_KEY and COINBASE_API_SECRET are not set" in capsys.readouterr().err
    monkeypatch.setenv("COINBASE_API_KEY", pair.name)
    monkeypatch.setenv("COINBASE_API_SECRET", pair.private_key.replace("\n", "\\n"))
    exchange.place_order("BTC-USD", "buy", "1", "100")
    assert main([*args, "--url", exchange.url]) == 0
    out, err = capsys.readouterr()
    assert "status OPEN" in out
    assert "PRIVATE KEY" not in out + err
