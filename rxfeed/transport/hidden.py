"""What a server may repeat of a request, and no error shows."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from urllib.parse import unquote_plus

from rxfeed.secrets import Secret, redacted, secret
from rxfeed.transport.endpoint import Endpoint

_CREDENTIALS = ("authorization", "proxy-authorization", "cookie")


class HiddenTexts:
    """Takes *texts* out of what a server sent.

    *queries*: of URLs, of which each value is hidden, too. *credentials*: values of headers, of which each word is.
    """

    def __init__(
        self, texts: Iterable[Secret] = (), queries: Iterable[Secret] = (), credentials: Iterable[Secret] = ()
    ) -> None:
        self._texts, self._queries, self._credentials = [*texts], [*queries], [*credentials]

    @classmethod
    def of(cls, endpoint: Endpoint, headers: Mapping[str, str | Secret], more: Iterable[Secret] = ()) -> HiddenTexts:
        """Those of a request to *endpoint*: its query and each value in it, its authorization, and the *headers*."""
        credentials = [] if endpoint.authorization is None else [endpoint.authorization]
        credentials += [
            secret(value)
            for name, value in headers.items()
            if isinstance(value, Secret) or name.lower() in _CREDENTIALS
        ]
        return cls([*map(secret, headers.values()), *more], [endpoint.query], credentials)

    def without(self, raw: bytes) -> bytes:
        """*raw*, which may be JSON, with `[redacted]` in their place."""
        return redacted(raw, [each.reveal() for each in self._all()])

    def _all(self) -> Iterator[Secret]:
        yield from self._texts
        for query in self._queries:
            yield query
            for value in (Secret(part.partition("=")[2]) for part in query.reveal().split("&")):
                yield value
                yield Secret(unquote_plus(value.reveal()))
        for credential in self._credentials:
            yield credential
            for word in map(Secret, credential.reveal().split()):
                yield word
                with suppress(binascii.Error, UnicodeDecodeError):  # the user and the password of the Basic scheme
                    decoded = Secret(base64.b64decode(word.reveal(), validate=True).decode())
                    yield decoded
                    yield Secret(decoded.reveal().partition(":")[2])
