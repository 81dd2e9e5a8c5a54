"""`rxfeed doctor` against a local exchange, with each of its faults: the step that fails, what to do, the status."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from rxfeed import Credentials
from rxfeed.cli import doctor, main
from rxfeed.cli.doctor_options import ExitStatus
from rxfeed.sim import Exchange, KeyPair, faults, key_pair
from tests.support.proxies import Proxy
from tests.support.wire import WireServer

SECRET = "c2VjcmV0"


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    with Exchange(["BTC-USD", "BTC-EUR"], seed=3, rate=500) as exchange:
        yield exchange


def checked(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str]:
    """The exit status, and the output as one line; no line is wider than 80 columns."""
    status = main(["doctor", *args])
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    return status, re.sub(r"\s+", " ", out)


def failure(out: str) -> str:
    return out[out.index("FAILED") :]


def test_doctor_passes_every_step(exchange: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["BTC-USD", "--channel", "matches", "--channel", "heartbeat", "--url", exchange.url]
    status, out = checked(capsys, *args)
    assert status == ExitStatus.OK
    steps = ["resolve", "connect", "handshake", "clock", "products", "subscribe", "data", "data"]
    assert re.findall(r"ok (\w+)", out) == steps
    assert out.endswith("no fault was found ")


def test_doctor_passes_on_the_other_venue(capsys: pytest.CaptureFixture[str]) -> None:
    with Exchange(["BTC-USD"], venue="coinbase_advanced", seed=3, rate=500) as exchange:
        args = ["--venue", "coinbase_advanced", "--channel", "trades", "--url", exchange.url]
        status, out = checked(capsys, "BTC-USD", *args)
    assert status == ExitStatus.OK
    assert "coinbase_advanced: market_trades for BTC-USD" in out


def test_doctor_names_an_unknown_product_and_its_relatives(
    exchange: Exchange, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out = checked(capsys, "BTC-XYZ", "--url", exchange.url, "--seconds", "20")
    assert status == ExitStatus.SUBSCRIPTION
    assert "BTC-XYZ is not a product of the venue -> of that currency there is BTC-EUR, BTC-USD" in failure(out)


def test_doctor_names_a_channel_that_needs_a_key(exchange: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    status, out = checked(capsys, "BTC-USD", "--channel", "level2", "--url", exchange.url)
    assert status == ExitStatus.SUBSCRIPTION
    assert "subscribe the venue refused it" in failure(out)
    assert "-> give --auth and credentials" in failure(out)


@pytest.mark.parametrize(
    ("fault", "seconds", "status", "step", "advice"),
    [
        (faults.HttpStatus(401), 5, ExitStatus.HANDSHAKE, "handshake", "wss://user:password@host"),
        (faults.HttpStatus(403), 5, ExitStatus.HANDSHAKE, "handshake", "refuses this address or region"),
        (faults.HttpStatus(503), 5, ExitStatus.HANDSHAKE, "handshake", "the server fails"),
        (faults.SlowHandshake(4.0), 1.5, ExitStatus.HANDSHAKE, "handshake", "does not answer: try again"),
        (faults.Silence(), 1.5, ExitStatus.SUBSCRIPTION, "subscribe", "answers no request"),
        (faults.Silence(after=1), 1.5, ExitStatus.DATA, "data", "add --channel heartbeat"),
        (faults.RefusedChannel("ticker"), 5, ExitStatus.SUBSCRIPTION, "subscribe", "it needs a key: give --auth"),
        (faults.Vanish(after=1, connection=2), 5, ExitStatus.DATA, "data", "try again"),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, faults.Fault) else str(each)[:12],
)
def test_doctor_names_the_step_of_a_fault(
    fault: faults.Fault, seconds: float, status: ExitStatus, step: str, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Exchange(["BTC-USD"], seed=3, rate=500, faults=[fault]) as exchange:
        found, out = checked(capsys, "BTC-USD", "--url", exchange.url, "--seconds", str(seconds))
    assert found == status
    assert failure(out).startswith(f"FAILED {step} ")
    assert advice in failure(out)
    assert out.endswith(f"failed (exit status {int(status)}) ")


def test_doctor_names_a_certificate_that_is_not_trusted(capsys: pytest.CaptureFixture[str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with Exchange(["BTC-USD"], seed=3, ssl=context) as exchange:
        status, out = checked(capsys, "BTC-USD", "--url", exchange.url)
    assert status == ExitStatus.TLS
    assert failure(out).startswith("FAILED TLS ")
    assert "SSL_CERT_FILE" in failure(out)


def test_doctor_names_a_port_that_is_closed(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    status, out = checked(capsys, "BTC-USD", "--url", f"ws://127.0.0.1:{port}")
    assert status == ExitStatus.CONNECT
    assert "FAILED connect connecting to 127.0.0.1: " in out


def test_doctor_names_a_host_without_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    status, out = checked(capsys, "BTC-USD", "--url", "wss://no-such-host.invalid", "--seconds", "20")
    assert status == ExitStatus.RESOLVE
    assert "check the spelling of the host" in failure(out)


@pytest.mark.parametrize(("minutes", "way"), [(2, "ahead of"), (-2, "behind")])
def test_doctor_names_a_clock_that_is_off(
    minutes: float,
    way: str,
    exchange: Exchange,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "now", lambda: datetime.now(UTC) + timedelta(minutes=minutes))
    status, out = checked(capsys, "BTC-USD", "--url", exchange.url)
    assert status == ExitStatus.CLOCK
    assert re.search(rf"FAILED clock this machine's clock is 1[12]\d s {way} the server's -> set it", out)
    assert "ok data ticker" in out  # the later steps are checked, too


def test_doctor_connects_through_a_proxy(exchange: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    proxy = Proxy()
    with WireServer(proxy.play) as middle:
        url = f"http://user:{SECRET}@127.0.0.1:{middle.port}"
        status, out = checked(capsys, "BTC-USD", "--url", exchange.url, "--proxy", url)
    assert status == ExitStatus.OK
    assert f"through http://127.0.0.1:{middle.port}" in out
    assert "ok proxy" in out
    assert SECRET not in out


def test_doctor_names_a_proxy_that_refuses(exchange: Exchange, capsys: pytest.CaptureFixture[str]) -> None:
    with WireServer(Proxy("407 Proxy Authentication Required").play) as middle:
        args = ["BTC-USD", "--url", exchange.url, "--proxy", f"http://127.0.0.1:{middle.port}"]
        status, out = checked(capsys, *args)
    assert status == ExitStatus.CONNECT
    assert "407 Proxy Authentication Required -> check --proxy" in failure(out)


@pytest.mark.parametrize(("secret", "status"), [(SECRET, ExitStatus.OK), ("b3RoZXI=", ExitStatus.CREDENTIALS)])
def test_doctor_checks_credentials(
    secret: str, status: ExitStatus, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("KEY", "key"), ("SECRET", secret), ("PASSPHRASE", "phrase")):
        monkeypatch.setenv(f"COINBASE_API_{name}", value)
    with Exchange(["BTC-USD"], seed=3, rate=500, credentials=Credentials("key", SECRET, "phrase")) as exchange:
        args = ["BTC-USD", "--channel", "level2", "--auth", "--url", exchange.url, "--seconds", "20"]
        found, out = checked(capsys, *args)
    assert found == status
    assert secret not in out
    if status:
        assert failure(out).startswith("FAILED credentials ")


def test_doctor_checks_credentials_of_the_other_venue(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair, other = key_pair(), key_pair()

    def check(pair: KeyPair, with_keys: dict[str, str]) -> tuple[int, str]:
        monkeypatch.setenv("COINBASE_API_KEY", pair.name)
        monkeypatch.setenv("COINBASE_API_SECRET", pair.private_key)
        with Exchange(["BTC-USD"], venue="coinbase_advanced", seed=3, rate=500, public_keys=with_keys) as exchange:
            args = ["--venue", "coinbase_advanced", "--channel", "trades", "--auth", "--seconds", "20"]
            return checked(capsys, "BTC-USD", *args, "--url", exchange.url)

    assert check(pair, {pair.name: pair.public_key})[0] == ExitStatus.OK
    status, out = check(pair, {pair.name: other.public_key})
    assert status == ExitStatus.CREDENTIALS
    assert "FAILED credentials" in out


def test_doctor_without_keys_in_the_environment_exits_with_2(exchange: Exchange) -> None:
    assert main(["doctor", "BTC-USD", "--auth", "--url", exchange.url]) == 2


def test_doctor_notes_a_product_list_that_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    fault = faults.RestStatus(code=404, count=None)
    with Exchange(["BTC-USD"], seed=3, rate=500, faults=[fault]) as exchange:
        status, out = checked(capsys, "BTC-USD", "--url", exchange.url)
    assert status == ExitStatus.OK
    assert "note products not checked: " in out
