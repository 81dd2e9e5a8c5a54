"""cbpro's `CBProAuth`: signs requests with keys of Coinbase Exchange, for `requests` and for `PublicClient.auth`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

from rxfeed.compat.types import Attribute


class CBProAuth:
    """Adds the headers of a signature to a request of `requests`: `requests.get(url, auth=CBProAuth(...))`."""

    def __init__(self, api_key: str, secret_key: str, passphrase: str) -> None:
        self.api_key = api_key
        self.secret_key = secret_key
        self.passphrase = passphrase

    def __call__(self, request: Attribute) -> Attribute:
        timestamp = str(time.time())
        body = request.body or ""
        text = body.decode() if isinstance(body, bytes) else body
        message = f"{timestamp}{request.method}{request.path_url}{text}"
        request.headers.update(get_auth_headers(timestamp, message, self.api_key, self.secret_key, self.passphrase))
        return request


def get_auth_headers(timestamp: str, message: str, api_key: str, secret_key: str, passphrase: str) -> dict[str, str]:
    """The headers of a request with the signature of *message*; *secret_key* in base64."""
    signature = hmac.new(base64.b64decode(secret_key), message.encode("ascii"), hashlib.sha256)
    return {
        "Content-Type": "Application/JSON",
        "CB-ACCESS-SIGN": base64.b64encode(signature.digest()).decode(),
        "CB-ACCESS-TIMESTAMP": timestamp,
        "CB-ACCESS-KEY": api_key,
        "CB-ACCESS-PASSPHRASE": passphrase,
    }


GdaxAuth = CBProAuth
"""Its name until 2018."""
