"""Texts that must not be shown, and what takes them out of other texts."""

from rxfeed.secrets.redact import REDACTED, redact_all_strings, redacted
from rxfeed.secrets.secret import Secret, revealed, secret
from rxfeed.secrets.urls import check_host, host_of, is_loopback, local_http, moved, not_websocket, shown_url

__all__ = [
    "REDACTED",
    "Secret",
    "check_host",
    "host_of",
    "is_loopback",
    "local_http",
    "moved",
    "not_websocket",
    "redact_all_strings",
    "redacted",
    "revealed",
    "secret",
    "shown_url",
]
