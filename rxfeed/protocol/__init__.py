"""The protocol without I/O: requests, decoding, signing, redaction."""

from rxfeed.protocol.auth import Credentials
from rxfeed.protocol.channels import CHANNELS, channels_with, types_of
from rxfeed.protocol.decode import Decoder
from rxfeed.protocol.hosts import DEFAULT_URL, check_host, live_url, shown_url
from rxfeed.protocol.names import likely_product
from rxfeed.protocol.redact import REDACTED, redact_all_strings, redacted
from rxfeed.protocol.refusals import Refusal, refusal, remedy
from rxfeed.protocol.requests import Channel, Subscription
from rxfeed.protocol.secret import Secret, revealed, secret

__all__ = [
    "CHANNELS",
    "DEFAULT_URL",
    "REDACTED",
    "Channel",
    "Credentials",
    "Decoder",
    "Refusal",
    "Secret",
    "Subscription",
    "channels_with",
    "check_host",
    "likely_product",
    "live_url",
    "redact_all_strings",
    "redacted",
    "refusal",
    "remedy",
    "revealed",
    "secret",
    "shown_url",
    "types_of",
]
