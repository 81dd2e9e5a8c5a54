"""Signatures, and secrets that are not shown."""

import base64
import traceback

import pytest

from rxfeed import ConfigError, Credentials
from rxfeed.venues.coinbase_exchange.auth import sign, signed

SECRET = "cnhmZWVkLXRlc3Qtc2VjcmV0LTAxMjM0NTY3ODlhYmNkZWY="


@pytest.mark.parametrize(
    ("secret", "timestamp", "signature"),
    [
        (SECRET, "1700000000.0", "iAHOuB0ERW60+cYh2ft5je+oxMdbJljbIugMZUEj7XY="),
        (base64.b64encode(b"a" * 64).decode(), "1493343391.076892", "Gt5TiJQH8Z1/D5L/nu4kxTFOIbT49iONuH36/rKLsHM="),
    ],
)
def test_signature_of_a_known_request(secret: str, timestamp: str, signature: str) -> None:
    assert sign(secret, timestamp) == signature


def test_signed_fields_of_a_request() -> None:
    fields = signed(Credentials("key", SECRET, "phrase"), "1700000000.0")
    assert fields == {
        "signature": "iAHOuB0ERW60+cYh2ft5je+oxMdbJljbIugMZUEj7XY=",
        "key": "key",
        "passphrase": "phrase",
        "timestamp": "1700000000.0",
    }


def test_repr_shows_the_key_alone() -> None:
    shown = repr(Credentials("key", SECRET, "phrase"))
    assert "key" in shown
    assert SECRET not in shown
    assert "phrase" not in shown.replace("passphrase", "")


@pytest.mark.parametrize("secret", ["not base64!", "abc", "c2VjcmV0\n"])
def test_secret_that_is_not_base64_is_reported_without_its_text(secret: str) -> None:
    with pytest.raises(ConfigError, match="secret is not base64") as caught:
        Credentials("key", secret, "phrase")
    told = "".join(traceback.format_exception_only(caught.value))
    assert secret not in told


def test_credentials_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEY", "SECRET", "PASSPHRASE"):
        monkeypatch.delenv(f"COINBASE_API_{name}", raising=False)
    assert Credentials.from_env() is None
    monkeypatch.setenv("COINBASE_API_KEY", "key")
    with pytest.raises(ConfigError, match="COINBASE_API_SECRET, COINBASE_API_PASSPHRASE not set"):
        Credentials.from_env()
    monkeypatch.setenv("COINBASE_API_SECRET", SECRET)
    monkeypatch.setenv("COINBASE_API_PASSPHRASE", "phrase")
    assert Credentials.from_env() == Credentials("key", SECRET, "phrase")
