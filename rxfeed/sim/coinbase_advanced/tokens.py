"""Tokens that sign requests: their verification with public keys, and key pairs for tests."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from rxfeed.core import arguments
from rxfeed.errors import ConfigError, needs_extra

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LIFE = 120  # seconds from `nbf` to `exp`
SKEW = 5  # seconds by which a clock may be fast
ISSUERS = ("cdp", "coinbase-cloud")

Algorithm = Literal["ES256", "EdDSA"]


@dataclass(frozen=True)
class KeyPair:
    """An API key as Coinbase gives it out: its *name* and *private_key*; *public_key*, a PEM, is for the exchange."""

    name: str
    private_key: str = field(repr=False)
    public_key: str


def key_pair(
    algorithm: Algorithm = "ES256",
    *,
    name: str = "organizations/00000000-0000-4000-8000-000000000000/apiKeys/00000000-0000-4000-8000-000000000001",
    pkcs8: bool = False,
) -> KeyPair:
    """A new key pair for tests of signed requests.

    >>> from rxfeed.sim import key_pair
    >>> pair = key_pair("EdDSA")
    >>> with_keys = {pair.name: pair.public_key}  # for Exchange(venue="coinbase_advanced", public_keys=...)

    The private key is a PEM of an EC key, or for EdDSA base64 of seed and public key, as Coinbase's files have it;
    with *pkcs8* a PEM in PKCS8.
    """
    arguments.one_of("algorithm", algorithm, ("ES256", "EdDSA"))
    with needs_extra("sim", "a key pair"):
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    private = ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else ed25519.Ed25519PrivateKey.generate()
    public = private.public_key()
    public_text = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    if pkcs8:
        text = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    elif algorithm == "ES256":
        text = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    else:
        seed = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        text = base64.b64encode(seed + public.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    return KeyPair(name, text, public_text)


class TokenVerifier:
    """Verifies tokens with *public_keys*, which are PEMs or keys of `cryptography`, by key name.

    *clock*: Unix seconds.
    """

    def __init__(self, public_keys: Mapping[str, object], clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._keys = {name: _public_key(name, key) for name, key in public_keys.items()}

    def accepts(self, token: object) -> bool:
        """Whether *token* is signed by a known key, for this time."""
        if not isinstance(token, str) or not self._keys:
            return False
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            name = header["kid"]
            key, algorithm = self._keys[name]
            nonce = header["nonce"]
            unchecked = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
            claims = jwt.decode(token, key, algorithms=[algorithm], options=unchecked)  # type: ignore[arg-type]
            begin, end = float(claims["nbf"]), float(claims["exp"])
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            return False
        now = self._clock()
        return (
            isinstance(nonce, str)
            and nonce != ""
            and claims.get("sub") == name
            and claims.get("iss") in ISSUERS
            and "uri" not in claims
            and begin - SKEW <= now < end
            and end - begin <= LIFE
        )


def _public_key(name: str, key: object) -> tuple[EllipticCurvePublicKey | Ed25519PublicKey, Algorithm]:
    with needs_extra("sim", "the verification of tokens"):
        import jwt  # noqa: F401
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if isinstance(key, str | bytes):
        try:
            key = load_pem_public_key(key.encode() if isinstance(key, str) else key)
        except ValueError:
            raise ConfigError(f"public_keys: the key of {name!r} is no PEM of a public key") from None
    if isinstance(key, Ed25519PublicKey):
        return key, "EdDSA"
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name == "secp256r1":
        return key, "ES256"
    raise ConfigError(f"public_keys: the key of {name!r} is neither of EC P-256 nor of Ed25519")
