"""The one place where the exceptions of sockets, TLS and websocket-client become ours."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import websocket

from rxfeed import errors
from rxfeed.protocol import shown_url


@contextmanager
def connecting(url: str) -> Iterator[None]:
    """Whatever fails inside is raised as a `ConnectFailed` that names *url*."""
    where = shown_url(url)
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise errors.CertificateInvalid(f"{where}: {error.verify_message}") from error
    except (websocket.WebSocketAddressException, socket.gaierror) as error:
        raise errors.AddressNotFound(f"{where}: no address for the host: {error}") from error
    except websocket.WebSocketBadStatusException as error:
        headers = {str(name).lower(): str(value) for name, value in (error.resp_headers or {}).items()}
        text = f"{where}: the server answered {error.status_code} {error.status_message or ''}".rstrip()
        raise errors.HandshakeRejected(text, error.status_code, headers) from error
    except websocket.WebSocketProxyException as error:
        raise errors.ProxyFailed(f"{where}: the proxy: {error}") from error
    except (TimeoutError, websocket.WebSocketTimeoutException) as error:
        raise errors.ConnectFailed(f"{where}: timed out") from error
    except (OSError, websocket.WebSocketException) as error:
        raise errors.ConnectFailed(f"{where}: {error}") from error


FAILURES = (OSError, websocket.WebSocketException)
"""What reading and writing a socket may raise."""


def lost(error: Exception) -> errors.ConnectionLost:
    """What one of the `FAILURES` means on a connection that was open."""
    if isinstance(error, websocket.WebSocketProtocolException | websocket.WebSocketPayloadException):
        return errors.ProtocolViolated(f"what the server sent is not WebSocket: {error}")
    if isinstance(error, TimeoutError | websocket.WebSocketTimeoutException):
        return errors.ConnectionLost("the server reads nothing: a send timed out")
    return errors.ConnectionLost(f"the connection broke: {error}")


@contextmanager
def running() -> Iterator[None]:
    """Whatever fails inside, on a connection that was open, is raised as a `ConnectionLost`."""
    try:
        yield
    except FAILURES as error:
        raise lost(error) from error
