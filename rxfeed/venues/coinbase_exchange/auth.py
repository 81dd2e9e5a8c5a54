"""Signing, as in https://docs.cdp.coinbase.com/exchange/websocket-feed/authentication.

HMAC-SHA256 over `timestamp + "GET" + "/users/self/verify"`, keyed with the decoded secret, in base64.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from dataclasses import dataclass, field

from rxfeed.errors import ConfigError
from rxfeed.secrets import Secret, revealed

VERIFY_PATH = "/users/self/verify"


@dataclass(frozen=True, slots=True, init=False)
class Credentials:
    """An Exchange API key; only *key* shows in its repr.

    *secret* is the base64 text that the exchange gave; another text raises `ConfigError`, which does not repeat it.
    *secret* and *passphrase* are kept as `Secret`s.

        >>> from rxfeed import Credentials
        >>> Credentials("my-key", "c2VjcmV0", "my-passphrase")
        Credentials(key='my-key')
    """

    key: str
    secret: Secret = field(repr=False)
    passphrase: Secret = field(repr=False)

    def __init__(self, key: str, secret: str | Secret, passphrase: str | Secret) -> None:
        try:
            reason = _refused(key, secret, passphrase)
            kept = ("", "", "") if reason else (key, secret, passphrase)
            object.__setattr__(self, "key", kept[0])
            object.__setattr__(self, "secret", Secret(revealed(kept[1])))
            object.__setattr__(self, "passphrase", Secret(revealed(kept[2])))
        finally:
            # A traceback with local variables shows neither, and `self` has its attributes for that.
            secret = passphrase = ""
            kept = ()
        if reason:
            raise ConfigError(f"credentials: {reason}")

    @classmethod
    def from_env(cls, prefix: str = "COINBASE_") -> Credentials | None:
        """The credentials in `COINBASE_API_KEY`, `COINBASE_API_SECRET` and `COINBASE_API_PASSPHRASE`.

        `None` where none of the three is set; `ConfigError` that names the missing ones where only some are.
        """
        names = [prefix + name for name in ("API_KEY", "API_SECRET", "API_PASSPHRASE")]
        values = [Secret(os.environ.get(name, "")) for name in names]
        if not any(values):
            return None
        missing = [name for name, value in zip(names, values, strict=True) if not value]
        if missing:
            raise ConfigError(f"environment: {', '.join(missing)} not set, but the rest of the credentials are")
        key, secret, passphrase = values
        return cls(key.reveal(), secret, passphrase)


def _refused(key: object, secret: object, passphrase: object) -> str:
    """The fault of credentials, without any part of them; empty if they are valid."""
    for name, value in (("key", key), ("secret", secret), ("passphrase", passphrase)):
        text = value.reveal() if isinstance(value, Secret) and name != "key" else value
        if not isinstance(text, str):
            return f"{name} must be a str"
        if not text.isascii() and any("\ud800" <= each <= "\udfff" for each in text):
            return f"{name} is a text that cannot be encoded"
    try:
        base64.b64decode(revealed(secret), validate=True)  # pyright: ignore[reportArgumentType]  # a text, as was seen
    except (binascii.Error, ValueError):
        return "the secret is not base64 text"
    return ""


def sign(secret: str | Secret, timestamp: str) -> str:
    """The base64 signature of a subscribe message sent at *timestamp* (Unix seconds, as text).

    Use it, and `signed`, only inside an expression: a local variable with either result is a leak, see `Secret`.
    """
    prehash = f"{timestamp}GET{VERIFY_PATH}".encode()
    return base64.b64encode(hmac.digest(binascii.a2b_base64(revealed(secret)), prehash, "sha256")).decode()


def signed(credentials: Credentials, timestamp: str) -> dict[str, str]:
    """The four fields that authenticate a subscribe message sent at *timestamp*."""
    return {
        "signature": sign(credentials.secret, timestamp),
        "key": credentials.key,
        "passphrase": credentials.passphrase.reveal(),
        "timestamp": timestamp,
    }
