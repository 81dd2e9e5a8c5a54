"""The protocol without any I/O: what to send, and what was said."""

from rxfeed.protocol.auth import Credentials
from rxfeed.protocol.decode import Decoder
from rxfeed.protocol.hosts import DEFAULT_URL, live_url, shown_url
from rxfeed.protocol.redact import redacted, speechless
from rxfeed.protocol.refusals import Refusal, refusal, remedy
from rxfeed.protocol.requests import Channel, Subscription

__all__ = [
    "DEFAULT_URL",
    "Channel",
    "Credentials",
    "Decoder",
    "Refusal",
    "Subscription",
    "live_url",
    "redacted",
    "refusal",
    "remedy",
    "shown_url",
    "speechless",
]
