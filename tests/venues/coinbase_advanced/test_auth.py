"""Keys of Advanced Trade: signing with both algorithms, bad keys, refusals, and no secret anywhere."""

from __future__ import annotations

import base64
import json
import logging
import pickle
import traceback
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from rxfeed import Feed, Replay, record
from rxfeed.errors import AuthenticationFailed, ConfigError, TimestampRejected
from rxfeed.feed import Disconnected
from rxfeed.venues.coinbase_advanced import AdvancedCredentials, Subscription
from tests.support.collect import Collected
from tests.venues.coinbase_advanced.wire import BTC, Client, Venue, ack, frame

NAME = "organizations/1234/apiKeys/5678"


def pem(key: Any, encryption: Any = None, form: str = "PKCS8") -> str:
    none = serialization.NoEncryption() if encryption is None else encryption
    kind = getattr(serialization.PrivateFormat, form)
    return key.private_bytes(serialization.Encoding.PEM, kind, none).decode()


def raw(key: ed25519.Ed25519PrivateKey, public: bool) -> str:
    none = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, none)
    return base64.b64encode(private + (key.public_key().public_bytes_raw() if public else b"")).decode()


EC, ED = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
KEYS = {
    "EC": (pem(EC), EC, "ES256"),
    "EC as Coinbase writes it": (pem(EC, form="TraditionalOpenSSL"), EC, "ES256"),
    "EC of one line": (pem(EC).replace("\n", "\\n"), EC, "ES256"),
    "Ed25519, 32 bytes": (raw(ED, public=False), ED, "EdDSA"),
    "Ed25519, 64 bytes": (raw(ED, public=True), ED, "EdDSA"),
    "Ed25519 as PEM": (pem(ED), ED, "EdDSA"),
}


@pytest.mark.parametrize("name", KEYS)
def test_tokens_verify_with_the_public_key(name: str) -> None:
    text, key, algorithm = KEYS[name]
    credentials = AdvancedCredentials(NAME, text)
    token = credentials.token("1700000000.7").reveal()
    options: Any = {"verify_exp": False, "verify_nbf": False}
    claims = jwt.decode(token, key.public_key(), algorithms=[algorithm], options=options)
    assert claims == {"sub": NAME, "iss": "cdp", "nbf": 1700000000, "exp": 1700000120}
    header = jwt.get_unverified_header(token)
    assert (header["kid"], header["alg"], len(header["nonce"])) == (NAME, algorithm, 32)


def test_each_request_has_a_token_of_its_own() -> None:
    credentials = AdvancedCredentials(NAME, pem(EC))
    requests = Subscription.of(BTC, ["user", "book"]).requests("subscribe", credentials, "1700000000")
    told = [json.loads(each.reveal()) for each in requests if not isinstance(each, str)]
    assert [each["channel"] for each in told] == ["user", "level2"]
    nonces = {jwt.get_unverified_header(each["jwt"])["nonce"] for each in told}
    assert len(nonces) == 2
    (plain,) = Subscription.of(BTC, "book").requests("subscribe", None, "1700000000")
    assert "jwt" not in json.loads(str(plain))


def test_credentials_are_read_from_the_environment_and_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("COINBASE_API_KEY", "COINBASE_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    assert AdvancedCredentials.from_env() is None
    monkeypatch.setenv("COINBASE_API_KEY", NAME)
    with pytest.raises(ConfigError, match="COINBASE_API_SECRET not set"):
        AdvancedCredentials.from_env()
    monkeypatch.setenv("COINBASE_API_SECRET", pem(EC).replace("\n", "\\n"))
    found = AdvancedCredentials.from_env()
    assert found is not None
    assert (found.key_name, found.algorithm) == (NAME, "ES256")
    path = tmp_path / "cdp_api_key.json"
    path.write_text(json.dumps({"name": NAME, "privateKey": pem(EC)}))
    assert AdvancedCredentials.from_file(path) == found
    path.write_text(json.dumps({"id": "5678", "privateKey": raw(ED, public=True)}))
    assert AdvancedCredentials.from_file(path).algorithm == "EdDSA"


SECRETS = {
    "no base64": ("not-a-key!", "neither PEM nor base64"),
    "a short key": (base64.b64encode(b"x" * 16).decode(), "has 16 bytes"),
    "a broken PEM": ("-----BEGIN EC PRIVATE KEY-----\nhidden-part\n-----END EC PRIVATE KEY-----", "no private key"),
    "another curve": (pem(ec.generate_private_key(ec.SECP384R1())), "curve secp384r1"),
    "an RSA key": (pem(rsa.generate_private_key(65537, 2048)), "neither an EC nor an Ed25519 key"),
    "an encrypted key": (pem(EC, serialization.BestAvailableEncryption(b"pw")), "is encrypted"),
    "a public key": (
        EC.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode(),
        "no private key",
    ),
    "other characters": ("schlüssel", "characters that no key has"),
    "nothing": ("  ", "is empty"),
}


def shown(error: BaseException) -> str:
    """All that a tracker of errors records: the texts, and the local variables of each frame of rxfeed."""
    parts = traceback.TracebackException.from_exception(error, capture_locals=True)
    lines: list[str] = []
    trace: traceback.TracebackException | None = parts
    while trace is not None:
        lines.append(str(trace))
        lines += [
            str(each.locals) for each in trace.stack if "rxfeed" in each.filename and "tests" not in each.filename
        ]
        trace = trace.__cause__ or trace.__context__
    return "\n".join(lines)


@pytest.mark.parametrize("name", SECRETS)
def test_bad_key_is_rejected_without_showing_it(name: str) -> None:
    secret, reason = SECRETS[name]
    with pytest.raises(ConfigError, match=reason) as caught:
        AdvancedCredentials(NAME, secret)
    told = shown(caught.value)
    for line in secret.split("\n"):
        if line.strip() and not line.startswith("-----"):
            assert line not in told


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is not the JSON of a key"),
        ('{"privateKey": "hidden"', "is not the JSON of a key"),
        ('{"name": "x"}', "has no privateKey"),
        ('{"privateKey": "hidden"}', "has no name"),
        (None, "cannot be read"),
    ],
)
def test_bad_file_is_rejected_without_showing_it(content: str | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=reason) as caught:
        AdvancedCredentials.from_file(path)
    assert "hidden" not in shown(caught.value)


def test_credentials_are_shown_and_pickled_nowhere() -> None:
    credentials = AdvancedCredentials(NAME, raw(ED, public=True))
    assert repr(credentials) == f"AdvancedCredentials(key_name='{NAME}', algorithm='EdDSA')"
    with pytest.raises(TypeError):
        pickle.dumps(credentials)
    with pytest.raises(ConfigError, match="AdvancedCredentials"):
        Feed(BTC, "user", venue="coinbase_advanced", credentials="a text")


def replayed(path: Path) -> list[Any]:
    replay = Replay(path)
    found = Collected(replay)
    replay.run()
    return found.items


def test_refused_token_ends_the_feed_and_no_secret_is_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    def play(client: Client, number: int) -> None:
        (request,) = client.receive(1)
        client.send(json.dumps({"type": "error", "message": f"authentication failure: {request['jwt']}"}))
        client.wait_for_end()

    secret = raw(ED, public=True)
    with Venue(play) as venue:
        feed = Feed(
            BTC, "user", venue="coinbase_advanced", url=venue.url, credentials=AdvancedCredentials(NAME, secret)
        )
        recorder = record(tmp_path)
        feed.pipe(recorder).subscribe(on_error=print)
        status = Collected(feed.status)
        with pytest.raises(AuthenticationFailed, match="check the key's name and the private key") as caught:
            feed.run()
        recorder.close()
        (token,) = [each["jwt"] for each in venue.requests]
    assert len(venue.requests) == 1
    recorded = "".join(str(each.raw) for each in replayed(tmp_path))
    assert "[redacted]" in recorded
    for each in (token, secret):
        for text in (caplog.text, recorded, str(status.items), shown(caught.value), repr(feed)):
            assert each not in text


@pytest.mark.parametrize("hours", [0, 3])
def test_refusal_by_a_wrong_clock_is_retried_with_the_servers_time(hours: int) -> None:
    """The venue gives no reason, so that the server's `Date` decides."""
    date = format_datetime(datetime.now(UTC) - timedelta(hours=hours), usegmt=True)

    def answer(connection: Any, request: Any, response: Any) -> Any:
        del response.headers["Date"]
        response.headers["Date"] = date
        return response

    def handle(connection: Any) -> None:
        connection.recv()
        connection.send('{"type":"error","message":"authentication failure"}')
        with suppress(ConnectionClosed):
            connection.recv()

    with serve(handle, "127.0.0.1", 0, process_response=answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        credentials = AdvancedCredentials(NAME, pem(EC))
        feed = Feed(BTC, "user", venue="coinbase_advanced", url=url, credentials=credentials, reconnect=False)
        status = Collected(feed.status)
        kind = TimestampRejected if hours else AuthenticationFailed
        with pytest.raises(kind) as caught:
            feed.run()
        server.shutdown()
        thread.join()
    assert (date in str(caught.value)) is bool(hours)
    assert [type(each.cause) for each in status.items if isinstance(each, Disconnected)] == [kind]


def test_public_channels_are_unsigned_without_credentials() -> None:
    def play(client: Client, number: int) -> None:
        client.receive(1)
        client.send(ack(0, market_trades=[BTC]), frame(1, "news"))

    with Venue(play) as venue:
        feed = Feed(BTC, "trades", venue="coinbase_advanced", url=venue.url, reconnect=False)
        with pytest.raises(Exception, match="1000"):
            feed.run()
    assert venue.requests == [{"type": "subscribe", "channel": "market_trades", "product_ids": [BTC]}]
