"""A NATS server with users of its own authority (operator, account, user), and their `.creds` files."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import nkeys

_UNLIMITED = dict.fromkeys(
    ("mem_storage", "disk_storage", "streams", "consumer", "conn", "subs", "data", "payload", "imports", "exports"), -1
)


class Identity:
    """A key pair that signs claims."""

    def __init__(self, kind: int) -> None:
        self.seed: bytes = nkeys.encode_seed(os.urandom(32), kind)
        self._pair = nkeys.from_seed(bytearray(self.seed))
        public: Any = self._pair.public_key  # bytes, whatever the library's annotation is
        self.public: str = public.decode()

    def signed(self, subject: Identity, name: str, content: dict[str, Any]) -> str:
        """The claims of *subject*, signed by this identity."""
        claims: dict[str, Any] = {"iat": int(time.time()), "iss": self.public, "sub": subject.public, "name": name}
        claims["nats"] = {**content, "version": 2}
        claims["jti"] = base64.b32encode(hashlib.sha256(json.dumps(claims).encode()).digest()).decode().rstrip("=")
        text = ".".join(_encoded(json.dumps(each).encode()) for each in ({"typ": "JWT", "alg": "ed25519-nkey"}, claims))
        return f"{text}.{_encoded(self._pair.sign(text.encode()))}"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


class Authority:
    """An operator with one account; `config` is that of its server, and `credentials` makes a user's file."""

    def __init__(self) -> None:
        self._operator = Identity(nkeys.PREFIX_BYTE_OPERATOR)
        self._account = Identity(nkeys.PREFIX_BYTE_ACCOUNT)
        system = Identity(nkeys.PREFIX_BYTE_ACCOUNT)
        limits = {"limits": {**_UNLIMITED, "wildcards": True, "leaf": -1}, "type": "account"}
        plain = {"limits": {"conn": -1, "subs": -1, "data": -1, "payload": -1, "leaf": -1}, "type": "account"}
        operator = self._operator
        self.config = (
            f"operator: {operator.signed(operator, 'o', {'type': 'operator'})}\n"
            f"system_account: {system.public}\n"
            "resolver: MEMORY\n"
            "resolver_preload: {\n"
            f"  {self._account.public}: {operator.signed(self._account, 'a', limits)}\n"
            f"  {system.public}: {operator.signed(system, 's', plain)}\n"
            "}\n"
        )

    def credentials(self, path: Path) -> bytes:
        """Write the `.creds` file of a new user; returns its seed."""
        user = Identity(nkeys.PREFIX_BYTE_USER)
        token = self._account.signed(user, "u", {"type": "user", "subs": -1, "data": -1, "payload": -1})
        path.write_text(
            f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
        )
        return user.seed
