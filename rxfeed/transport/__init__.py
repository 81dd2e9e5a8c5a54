"""The only room that knows websocket-client: from a URL to frames, and nothing above sees its exceptions."""

from rxfeed.transport.connection import Closed, Connection, Pong, Received
from rxfeed.transport.endpoint import Endpoint
from rxfeed.transport.options import TransportOptions, check_timeout
from rxfeed.transport.proxy import proxy_for
from rxfeed.transport.reader import Oversized
from rxfeed.transport.rest import RestClient
from rxfeed.transport.wakeup import Wakeup

__all__ = [
    "Closed",
    "Connection",
    "Endpoint",
    "Oversized",
    "Pong",
    "Received",
    "RestClient",
    "TransportOptions",
    "Wakeup",
    "check_timeout",
    "proxy_for",
]
