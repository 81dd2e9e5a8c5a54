"""Every error that rxfeed raises or sends down `on_error`, in one tree.

    RxfeedError
    ├── ConfigError (also ValueError)       an argument or a setting that can never work
    │   └── RecordingDamaged                a file of a recording that cannot be read, or no further than so
    ├── ConnectFailed                       no connection came about
    │   ├── AddressNotFound                 the host has no address
    │   ├── CertificateInvalid              the server's certificate does not verify
    │   ├── HandshakeRejected               the server answered, but not with an upgrade
    │   └── ProxyFailed                     the proxy did not let us through
    ├── ConnectionLost                      a connection that was open ended, and not by us
    │   ├── WentSilent                      no data, or no pong, for too long
    │   ├── ServerClosed                    with a close frame: `code` and `reason`
    │   │   └── HostRetired                 ... that says the host is gone for good
    │   └── ProtocolViolated                what came is not WebSocket
    ├── AuthenticationFailed                the exchange does not accept the credentials
    ├── FrameMalformed (also ValueError)    a frame that is no message, where an exception has to carry it
    ├── BookEmpty (also IndexError, ValueError, AttributeError)
    │                                       the classic order book has no order on that side
    ├── FeedClosed                          the feed has ended and cannot be opened again
    ├── WrongProcess                        a feed or a sink of the parent process, used in a forked child
    └── SinkError                           a sink could not keep what it was given

No exception of websocket-client passes the transport, none of pymongo the sinks: each is mapped there, once,
and stands behind ours as `__cause__`.
"""

from __future__ import annotations


class RxfeedError(Exception):
    """The root: `except RxfeedError` catches whatever this library raises by itself."""


class ConfigError(RxfeedError, ValueError):
    """An argument or a setting that can never work; the text names it and shows its value."""


class RecordingDamaged(ConfigError):
    """The recording at *path* cannot be read from *line* on, which begins at byte *offset* of the unpacked text."""

    def __init__(self, path: str, line: int, offset: int, reason: str) -> None:
        super().__init__(f"recording {path}, line {line}, byte {offset}: {reason}")
        self.path = path
        self.line = line
        self.offset = offset
        self.reason = reason


class ConnectFailed(RxfeedError):
    """No connection came about: refused, unreachable, or too slow."""


class AddressNotFound(ConnectFailed):
    """The host's name has no address."""


class CertificateInvalid(ConnectFailed):
    """The server's certificate does not verify."""


class ProxyFailed(ConnectFailed):
    """The proxy did not let us through."""


class HandshakeRejected(ConnectFailed):
    """The server answered with *status* in place of an upgrade; *headers* have lower-case names."""

    def __init__(self, text: str, status: int, headers: dict[str, str]) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


class ConnectionLost(RxfeedError):
    """A connection that was open ended, and not by us."""


class WentSilent(ConnectionLost):
    """The connection stands, but nothing comes any more: no data, or no pong, for too long."""


class ServerClosed(ConnectionLost):
    """The server closed with *code* (1005: it gave none) and *reason* (often empty)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the server closed the connection: {code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class HostRetired(ServerClosed):
    """The server closed with `deprecated hostname`: nothing will come from this host again."""


class ProtocolViolated(ConnectionLost):
    """What came is not WebSocket, so nothing after it can be trusted."""


class AuthenticationFailed(RxfeedError):
    """The exchange does not accept the credentials; the text is its own."""


class FrameMalformed(RxfeedError, ValueError):
    """A frame that is no message: the feed emits such as `Malformed`, the classic client hands this to `on_error`."""


class BookEmpty(RxfeedError, IndexError, ValueError, AttributeError):
    """The classic order book has no order on that side: old code catches one of these three."""


class FeedClosed(RxfeedError):
    """The feed has ended and cannot be opened again: make a new one."""


class WrongProcess(RxfeedError):
    """A feed or a sink that runs in the parent process was used in a forked child, where its threads do not exist."""


class SinkError(RxfeedError):
    """A sink could not keep what it was given; *unwritten* counts what it still held."""

    def __init__(self, text: str, unwritten: int) -> None:
        super().__init__(text)
        self.unwritten = unwritten
