"""From a URL to frames, and to the answer of a GET request. Other packages see no exception of sockets or libraries.

This is the only package that imports websocket-client, and uses it for frames: their opcodes, masks and checks.
Resolving, connecting, proxies, TLS and the handshake are done here, since all of them share one deadline (`ConnectAttempt`).
"""

from rxfeed.transport.connection import Closed, Connection, Pong, TransportEvent
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
    "RestClient",
    "TransportEvent",
    "TransportOptions",
    "Wakeup",
    "check_timeout",
    "proxy_for",
]
