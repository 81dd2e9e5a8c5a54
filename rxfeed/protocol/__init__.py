"""The protocol without any I/O: what to send, and what was said."""

from rxfeed.protocol.auth import Credentials
from rxfeed.protocol.channels import CHANNELS, channels_with, types_of
from rxfeed.protocol.decode import Decoder
from rxfeed.protocol.hosts import DEFAULT_URL, live_url, shown_url
from rxfeed.protocol.redact import redacted, speechless
from rxfeed.protocol.requests import Channel, Subscription

__all__ = [
    "CHANNELS",
    "DEFAULT_URL",
    "Channel",
    "Credentials",
    "Decoder",
    "Subscription",
    "channels_with",
    "live_url",
    "redacted",
    "shown_url",
    "speechless",
    "types_of",
]
