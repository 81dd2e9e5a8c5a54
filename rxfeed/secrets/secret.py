"""Texts that no log, repr or traceback shows."""

from __future__ import annotations

import hmac
from typing import NoReturn

from rxfeed.secrets.redact import REDACTED


class Secret:
    """A text that no repr, format, log line, traceback or pickle shows; `reveal()` returns it.

    Call `reveal()` inside the expression that uses the text. A local variable with the text is a leak: an error tracker
    records the local variables of each frame that an exception passes.

        >>> from rxfeed import Secret
        >>> password = Secret("sesame")
        >>> password, f"{password}", password.reveal()
        (Secret('[redacted]'), '[redacted]', 'sesame')
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        refused = not isinstance(text, str)
        self._text = "" if refused else str(text)
        text = ""  # also a wrong argument, such as bytes, may be the secret itself
        if refused:
            raise TypeError("a Secret takes a str")

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret('{REDACTED}')"

    def __str__(self) -> str:
        return REDACTED

    def __format__(self, spec: str) -> str:
        return REDACTED

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(errors="replace"), other._text.encode(errors="replace"))

    def __hash__(self) -> int:
        return hash(self._text)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        # A pickle can be in a file, a queue or a cache, which others can read.
        raise TypeError("a Secret is not pickled: read it where it is used, from the environment for example")


def revealed(text: str | Secret) -> str:
    """The text of *text*, whether it is a `str` or a `Secret`."""
    return text.reveal() if isinstance(text, Secret) else text


def secret(text: str | Secret) -> Secret:
    """*text* as a `Secret`."""
    return text if isinstance(text, Secret) else Secret(text)
