"""Signing, as https://docs.cdp.coinbase.com/exchange/websocket-feed/authentication says.

HMAC-SHA256 over `timestamp + "GET" + "/users/self/verify"`, keyed with the decoded secret, in base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from dataclasses import dataclass, field

from rxfeed.errors import ConfigError

VERIFY_PATH = "/users/self/verify"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An Exchange API key; only *key* shows in its repr.

    *secret* is the base64 text that the exchange gave; another text raises `ConfigError`, which does not repeat it.

        >>> Credentials("my-key", "c2VjcmV0", "my-passphrase")
        Credentials(key='my-key')
    """

    key: str
    secret: str = field(repr=False)
    passphrase: str = field(repr=False)

    def __post_init__(self) -> None:
        for name in ("key", "secret", "passphrase"):
            if not isinstance(getattr(self, name), str):
                raise ConfigError(f"credentials: {name} must be a str")
        try:
            base64.b64decode(self.secret, validate=True)
        except (binascii.Error, ValueError):
            raise ConfigError("credentials: the secret is not base64 text") from None

    @classmethod
    def from_env(cls, prefix: str = "COINBASE_") -> Credentials | None:
        """The credentials in `COINBASE_API_KEY`, `COINBASE_API_SECRET` and `COINBASE_API_PASSPHRASE`.

        `None` where none of the three is set; `ConfigError` that names the missing ones where only some are.
        """
        names = [prefix + name for name in ("API_KEY", "API_SECRET", "API_PASSPHRASE")]
        values = [os.environ.get(name, "") for name in names]
        if not any(values):
            return None
        missing = [name for name, value in zip(names, values, strict=True) if not value]
        if missing:
            raise ConfigError(f"environment: {', '.join(missing)} not set, but the rest of the credentials are")
        return cls(*values)


def sign(secret: str, timestamp: str) -> str:
    """The base64 signature of a subscribe message sent at *timestamp* (Unix seconds, as text)."""
    prehash = f"{timestamp}GET{VERIFY_PATH}".encode()
    digest = hmac.new(base64.b64decode(secret), prehash, hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def signed(credentials: Credentials, timestamp: str) -> dict[str, str]:
    """The four fields that authenticate a subscribe message sent at *timestamp*."""
    return {
        "signature": sign(credentials.secret, timestamp),
        "key": credentials.key,
        "passphrase": credentials.passphrase,
        "timestamp": timestamp,
    }
