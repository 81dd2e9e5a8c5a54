"""CDP API keys, and the JWTs that they sign; PyJWT and cryptography are in the extra `advanced`.

Each request has a JWT of its own, valid for two minutes: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/
websocket/websocket-authentication. An EC key (PEM, P-256) signs with ES256. An Ed25519 key (base64 of 32 or 64 bytes,
or PEM) signs with EdDSA.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal, NoReturn, TypeAlias

import msgspec

from rxfeed.errors import ConfigError, needs_extra
from rxfeed.secrets import Secret, revealed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_Key: TypeAlias = "EllipticCurvePrivateKey | Ed25519PrivateKey"
LIFETIME = 120
"""Seconds for which a JWT is valid."""
Algorithm = Literal["ES256", "EdDSA"]
_NOT_TEXT = "must be a str"


@dataclass(frozen=True, slots=True, init=False)
class AdvancedCredentials:
    """A CDP API key for Advanced Trade; only *key_name* shows in its repr.

    *key_name* is the key's name, `organizations/.../apiKeys/...`, or its id. *private_key* is an EC key in PEM, or an
    Ed25519 key in base64 or PEM, as Coinbase gives them; it is kept as a `Secret`. A key that cannot sign raises
    `ConfigError` with the reason, which does not repeat it. Needs the extra `advanced`.
    """

    key_name: str
    private_key: Secret = field(repr=False)
    algorithm: Algorithm
    _signer: _Key = field(repr=False, compare=False)

    def __init__(self, key_name: str, private_key: str | Secret) -> None:
        signer, algorithm, reason = None, "ES256", ""
        try:
            signer, algorithm, reason = _loaded(key_name, private_key)
            kept = "" if reason else private_key
            object.__setattr__(self, "key_name", "" if reason else key_name)
            object.__setattr__(self, "private_key", Secret(_unescaped(revealed(kept))))
            object.__setattr__(self, "algorithm", algorithm)
            object.__setattr__(self, "_signer", signer)
        finally:
            # A traceback with local variables does not show the key, and `self` has its attributes for that.
            private_key = kept = ""
            signer = None
        if reason:
            raise ConfigError(f"credentials: {reason}")

    @classmethod
    def from_env(cls, prefix: str = "COINBASE_") -> AdvancedCredentials | None:
        r"""The key in `COINBASE_API_KEY` and `COINBASE_API_SECRET`; `\n` in the variable is the end of a line.

        `None` where neither is set; `ConfigError` that names the missing one where only one is.
        """
        names = [prefix + name for name in ("API_KEY", "API_SECRET")]
        values = [Secret(os.environ.get(name, "")) for name in names]
        if not any(values):
            return None
        missing = [name for name, value in zip(names, values, strict=True) if not value]
        if missing:
            raise ConfigError(f"environment: {', '.join(missing)} not set, but the rest of the credentials are")
        key_name, private_key = values
        return cls(key_name.reveal(), private_key)

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> AdvancedCredentials:
        """The key in a file that Coinbase offers for download, `cdp_api_key.json`."""
        try:
            stored = _decode_file(Path(path).read_bytes())
        except OSError as error:
            raise ConfigError(f"credentials: the file {os.fspath(path)!r} cannot be read: {error.strerror}") from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            stored = None  # the error's text may have a part of the key
        if stored is None:
            raise ConfigError(f"credentials: the file {os.fspath(path)!r} is not the JSON of a key")
        key_name, missing = stored.name or stored.id, [] if stored.private_key else ["privateKey"]
        missing += [] if key_name else ["name"]
        if missing:
            raise ConfigError(f"credentials: the file {os.fspath(path)!r} has no {' and no '.join(missing)}")
        return cls(key_name, Secret(stored.private_key))

    def token(self, timestamp: str) -> Secret:
        """A JWT that is valid from *timestamp* (Unix seconds, as text) on, for two minutes."""
        jwt = _library()[0]
        now = int(float(timestamp))
        claims = {"sub": self.key_name, "iss": "cdp", "nbf": now, "exp": now + LIFETIME}
        headers = {"kid": self.key_name, "nonce": secrets.token_hex(16)}
        return Secret(jwt.encode(claims, self._signer, algorithm=self.algorithm, headers=headers))

    def __reduce__(self) -> NoReturn:
        raise TypeError("AdvancedCredentials are not pickled: read them where they are used, from the environment")


class _KeyFile(msgspec.Struct, rename="camel"):
    name: str = ""
    id: str = ""
    private_key: str = ""

    def __repr__(self) -> str:
        return "_KeyFile()"  # a traceback with local variables would show the key


_decode_file = msgspec.json.Decoder(_KeyFile).decode


def _library() -> tuple[ModuleType, ModuleType, ModuleType, ModuleType]:
    with needs_extra("advanced", "AdvancedCredentials"):
        import jwt
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    return jwt, serialization, ec, ed25519


def _unescaped(key: str) -> str:
    return key.replace("\\n", "\n").strip()


def _loaded(key_name: object, private_key: object) -> tuple[_Key | None, Algorithm, str]:
    """The key that signs, its algorithm, and the fault of the credentials, without any part of them."""
    try:
        for name, value in (("key_name", key_name), ("private_key", private_key)):
            text = value.reveal() if isinstance(value, Secret) and name == "private_key" else value
            if not isinstance(text, str):
                return None, "ES256", f"{name} {_NOT_TEXT}"
            if not text.strip():
                return None, "ES256", f"{name} is empty"
            if not text.isascii():
                return None, "ES256", f"{name} has characters that no key has"
        text = _unescaped(revealed(private_key))  # pyright: ignore[reportArgumentType]  # a text, as was seen
        return _from_pem(text) if text.startswith("-----BEGIN") else _from_base64(text)
    finally:
        private_key = text = value = ""


def _from_pem(text: str) -> tuple[_Key | None, Algorithm, str]:
    _, serialization, ec, ed25519 = _library()
    key = None
    reason = ""
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except TypeError:
        reason = "private_key is encrypted: give it without a password"
    except Exception:  # the text of the error may have a part of the key
        reason = "private_key is a PEM text, but no private key: copy it with all its lines"
    finally:
        text = ""
    if reason or key is None:
        return None, "ES256", reason
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key, "EdDSA", ""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if isinstance(key.curve, ec.SECP256R1):
            return key, "ES256", ""
        return None, "ES256", f"private_key is on the curve {key.curve.name}; ES256 needs secp256r1 (P-256)"
    return None, "ES256", "private_key is neither an EC nor an Ed25519 key"


def _from_base64(text: str) -> tuple[_Key | None, Algorithm, str]:
    *_, ed25519 = _library()
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    finally:
        text = ""
    length = len(raw)
    try:
        # Of 64 bytes the second half is the public key.
        key = ed25519.Ed25519PrivateKey.from_private_bytes(raw[:32]) if length in (32, 64) else None
    finally:
        raw = b""
    if key is None:
        why = f"has {length} bytes" if length else "is neither PEM nor base64"
        return None, "EdDSA", f"private_key {why}: an Ed25519 key has 32 or 64 bytes in base64, an EC key is PEM"
    return key, "EdDSA", ""
