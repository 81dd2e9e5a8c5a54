"""Maps the exceptions of sockets, TLS and HTTP to those of rxfeed; no other file does."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Generator
from contextlib import contextmanager

from websocket import WebSocketConnectionClosedException, WebSocketTimeoutException

from rxfeed import errors
from rxfeed.transport.connect_attempt import Aborted, ConnectAttempt
from rxfeed.transport.dial import ProxyUnusable
from rxfeed.transport.handshake import UpgradeBroken, UpgradeRefused
from rxfeed.transport.received_bytes import ResponseInvalid


class SocketClosed(errors.ConnectionLost, WebSocketConnectionClosedException):
    """A connection that was closed on this side was used: also an exception of websocket-client, for old scripts."""


class ReceiveTimedOut(TimeoutError, WebSocketTimeoutException):
    """No frame arrived within the time that a script has set: also an exception of websocket-client."""


@contextmanager
def connecting(where: str, attempt: ConnectAttempt, setting: str = "connect_timeout") -> Generator[None]:
    """Within this block, a failure is raised as a `ConnectFailed` that names *where*, a URL without secrets.

    *setting*: the name of the argument that sets the deadline.
    """
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise errors.CertificateInvalid(f"{where}: {error.verify_message}") from error
    except (socket.gaierror, UnicodeError) as error:
        raise errors.AddressNotFound(f"{where}: no address for the host: {error}") from error
    except UpgradeRefused as error:
        raise errors.HandshakeRejected(f"{where}: {error}", error.status, error.headers) from error
    except (ProxyUnusable, errors.ConfigError) as error:  # the environment's proxy may have changed
        raise errors.ProxyFailed(f"{where}: {error}") from error
    except TimeoutError as error:
        raise errors.ConnectFailed(
            f"{where}: timed out after {attempt.timeout:g} s ({setting}), {attempt.step}"
        ) from error
    except (Aborted, UpgradeBroken, ResponseInvalid) as error:
        raise errors.ConnectFailed(f"{where}: {error}") from error
    except OSError as error:
        what = "the attempt was aborted" if attempt.aborted else f"{attempt.step}: {error}"
        raise errors.ConnectFailed(f"{where}: {what}") from error


def lost(error: OSError) -> errors.ConnectionLost:
    """The `ConnectionLost` for an *error* of reading or writing the socket of an open connection."""
    if isinstance(error, TimeoutError):
        return errors.ConnectionLost("a send timed out, because the server does not read")
    return errors.ConnectionLost(f"the connection broke: {error}")


@contextmanager
def running() -> Generator[None]:
    """Within this block, a failure of an open connection is raised as a `ConnectionLost`."""
    try:
        yield
    except OSError as error:
        raise lost(error) from error
