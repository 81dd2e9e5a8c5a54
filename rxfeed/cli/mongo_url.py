"""The URL of a command's MongoDB. It may have a password, so no text here repeats it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import ConfigurationError, InvalidURI

from rxfeed.errors import ConfigError

Document = dict[str, Any]
"""A document of the command's collection."""
VARIABLE = "RXFEED_MONGO_URL"
_WAIT = 3000  # milliseconds


class MongoUrl:
    """A URL of a MongoDB, and the *source* that it was read from, for error messages."""

    def __init__(self, url: str, source: str) -> None:
        self._url = url
        self.source = source

    @classmethod
    def find(cls, argument: str | None, file: Path | None, environment: Mapping[str, str]) -> MongoUrl | None:
        """The URL of the argument, or of *file*, or of the environment; `None` if there is none.

        Raises `ConfigError` for a file that cannot be read.
        """
        if argument is not None:
            return cls(argument, "--mongo")
        if file is not None:
            try:
                return cls(file.read_text(encoding="utf-8").strip(), f"--mongo-file {file}")
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
                raise ConfigError(f"--mongo-file: {file} cannot be read: {reason}") from None
        url = environment.get(VARIABLE)
        return cls(url, VARIABLE) if url else None

    @property
    def is_exposed(self) -> bool:
        """True for a URL with a password in the arguments, which every process of the machine can list."""
        return self.source == "--mongo" and ":" in self._url.partition("://")[2].rpartition("@")[0]

    def client(self) -> MongoClient[Document]:
        """A client for the URL; raises `ConfigError` without the driver's text, which repeats parts of the URL."""
        wait = None if "serverselectiontimeoutms" in self._url.lower() else _WAIT
        try:
            return MongoClient(self._url) if wait is None else MongoClient(self._url, serverSelectionTimeoutMS=wait)
        except (InvalidURI, ConfigurationError, ValueError) as error:
            kind = type(error).__name__
        raise ConfigError(f"{self.source}: not a URL that MongoDB's driver takes ({kind})")

    def __repr__(self) -> str:
        return f"<MongoUrl of {self.source}>"
