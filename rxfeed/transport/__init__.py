"""WebSocket frames from a URL, and responses to GET requests; exceptions of sockets and libraries are mapped here.

This is the only package that imports websocket-client, of which it uses the frames (`ABNF`): opcodes, masks and checks.
Resolving, connecting, proxies, TLS and the handshake are done here, because they share one deadline
(`ConnectAttempt`).
"""

from rxfeed.transport.connection import Connection, TransportEvent
from rxfeed.transport.endpoint import Endpoint
from rxfeed.transport.events import Closed, Oversized, Pong
from rxfeed.transport.exceptions import ReceiveTimedOut, SocketClosed
from rxfeed.transport.http_client import HttpClient, Response
from rxfeed.transport.http_request import Headers, Parameters
from rxfeed.transport.options import TransportOptions
from rxfeed.transport.probe import Probed, probe
from rxfeed.transport.proxy import proxy_for
from rxfeed.transport.retry_after import retry_after
from rxfeed.transport.script_sockets import redirect_sockets
from rxfeed.transport.shared_limit import SharedLimit
from rxfeed.transport.wakeup import Wakeup

__all__ = [
    "Closed",
    "Connection",
    "Endpoint",
    "Headers",
    "HttpClient",
    "Oversized",
    "Parameters",
    "Pong",
    "Probed",
    "ReceiveTimedOut",
    "Response",
    "SharedLimit",
    "SocketClosed",
    "TransportEvent",
    "TransportOptions",
    "Wakeup",
    "probe",
    "proxy_for",
    "redirect_sockets",
    "retry_after",
]
