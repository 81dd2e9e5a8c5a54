"""The only room that knows websocket-client: from a URL to frames, and nothing above sees its exceptions."""

from rxfeed.transport.connection import Closed, Connection, Pong, Received, TransportOptions
from rxfeed.transport.reader import Oversized
from rxfeed.transport.wakeup import Wakeup

__all__ = ["Closed", "Connection", "Oversized", "Pong", "Received", "TransportOptions", "Wakeup"]
