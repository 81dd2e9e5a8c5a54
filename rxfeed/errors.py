"""All exceptions that rxfeed raises or passes to `on_error`, as one tree.

    RxfeedError
    ├── ConfigError (also ValueError)       an invalid argument or setting
    │   └── ExtraMissing (also ImportError) a package of an extra is not installed
    ├── RecordingDamaged                    a file of a recording that cannot be read, or only in part
    ├── ConnectFailed                       a connection could not be opened
    │   ├── AddressNotFound                 the host has no address
    │   ├── CertificateInvalid              the server's certificate cannot be verified
    │   ├── HandshakeRejected               the server answered, but not with an upgrade
    │   ├── ProxyFailed                     the proxy did not connect to the server
    │   └── RequestRejected                 the server answered a request with an error: `status`, `retry_after`
    ├── ConnectionLost                      an open connection broke, or the server closed it
    │   ├── WentSilent                      no data, or no pong, for too long
    │   ├── ServerClosed                    with a close frame: `code` and `reason`
    │   │   └── HostRetired                 ... because the host is retired
    │   ├── ProtocolViolated                the server broke the WebSocket protocol
    │   └── TimestampRejected               a signed request was rejected, most likely for its time
    ├── AuthenticationFailed                the exchange does not accept the credentials
    ├── FrameMalformed (also ValueError)    a frame that is not a message, as an exception
    ├── FeedClosed                          the feed has ended and cannot be opened again
    ├── WrongProcess                        a feed or a sink of the parent process, used in a forked child
    └── SinkError                           a sink could not store its items

Exceptions of sockets, TLS and HTTP are mapped in `transport`, those of pymongo in `sinks`. The original is the
`__cause__`. All of these can be pickled and copied.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager


class RxfeedError(Exception):
    """The base class: `except RxfeedError` catches all exceptions of this library.

    All of them can be pickled and copied, with their attributes and their `__cause__`.
    """

    # By default, unpickling calls the class with `args`, which do not match `__init__` here.
    def __reduce__(self) -> tuple[object, ...]:
        state = dict(vars(self))
        if self.__cause__ is not None:
            state["__cause__"] = picklable(self.__cause__)
        return _rebuilt, (type(self), self.args), state


def _rebuilt(kind: type[RxfeedError], args: tuple[object, ...]) -> RxfeedError:
    return kind.__new__(kind, *args)


def picklable(error: BaseException) -> BaseException:
    """*error*, or an `RxfeedError` with its type and text if a pickle of *error* cannot be read back.

    An exception that fails to load stops the process that reads it, such as the parent of a `multiprocessing.Pool`.
    """
    if isinstance(error, RxfeedError):
        return error
    try:
        copied = pickle.loads(pickle.dumps(error))
    except Exception:  # `__reduce__` and `__init__` of any class may raise anything
        copied = None
    return error if type(copied) is type(error) else RxfeedError(f"{type(error).__name__}: {error}")


class ConfigError(RxfeedError, ValueError):
    """An argument or a setting is invalid; the text has its name and value."""


class ExtraMissing(ConfigError, ImportError):
    """*package* is not installed, and *needed_by* needs it; the text has the command that installs it."""

    def __init__(self, package: str, needed_by: str, command: str) -> None:
        super().__init__(f"{package} is not installed, and {needed_by} needs it: {command}")
        self.package = package
        self.needed_by = needed_by
        self.command = command


def install_command(extra: str) -> str:
    """The command that installs *extra*, from the index and from a clone.

    >>> from rxfeed.errors import install_command
    >>> install_command("sim")
    'pip install "rxfeed[sim]" (in a clone of rxfeed: pip install ".[sim]")'
    """
    return f'pip install "rxfeed[{extra}]" (in a clone of rxfeed: pip install ".[{extra}]")'


@contextmanager
def needs_extra(extra: str, needed_by: str) -> Iterator[None]:
    """Within this block, a missing package raises `ExtraMissing` with the command that installs *extra*.

    >>> from rxfeed.errors import needs_extra
    >>> with needs_extra("sim", "the exchange"):
    ...     import websockets
    """
    try:
        yield
    except ExtraMissing as error:  # raised for another extra, in a nested block
        raise ExtraMissing(error.package, needed_by, install_command(extra)) from None
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "rxfeed"):
            raise
        raise ExtraMissing(package, needed_by, install_command(extra)) from None


class RecordingDamaged(RxfeedError):
    """The recording at *path* cannot be read from *line* on, which begins at byte *offset* of the unpacked text."""

    def __init__(self, path: str, line: int, offset: int, reason: str) -> None:
        super().__init__(f"recording {path}, line {line}, byte {offset}: {reason}")
        self.path = path
        self.line = line
        self.offset = offset
        self.reason = reason


class ConnectFailed(RxfeedError):
    """A connection could not be opened: refused, unreachable, or too slow."""


class AddressNotFound(ConnectFailed):
    """The host's name has no address."""


class CertificateInvalid(ConnectFailed):
    """The server's certificate cannot be verified."""


class ProxyFailed(ConnectFailed):
    """The proxy did not connect to the server."""


class HandshakeRejected(ConnectFailed):
    """The server answered with *status* instead of an upgrade; *headers* have lower-case names."""

    def __init__(self, text: str, status: int, headers: dict[str, str]) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


class RequestRejected(ConnectFailed):
    """The server answered an HTTP request with *status* and *reason* instead of what was requested.

    *headers* have lower-case names. *body* is at most 16 kB. *retry_after*: the seconds that the server requested to
    wait, at most an hour; 0 if it did not. Secrets of the request are redacted in all of them.
    """

    def __init__(
        self, text: str, status: int, reason: str, headers: dict[str, str], body: bytes, retry_after: float
    ) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body
        self.retry_after = retry_after


class ConnectionLost(RxfeedError):
    """An open connection broke, or the server closed it."""


class WentSilent(ConnectionLost):
    """The connection is open but silent: no data, or no pong, for too long."""


class ServerClosed(ConnectionLost):
    """The server closed the connection with *code* (1005: none) and *reason* (often empty)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the server closed the connection: {code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class HostRetired(ServerClosed):
    """The server closed with `deprecated hostname`: this host will not serve the feed again."""


class ProtocolViolated(ConnectionLost):
    """The server broke the WebSocket protocol, so later bytes cannot be trusted."""


class TimestampRejected(ConnectionLost):
    """The exchange rejected the time of a signed request, or credentials that it had accepted before.

    The text is the exchange's own, with the time of this machine's clock.
    """


class AuthenticationFailed(RxfeedError):
    """The exchange does not accept the credentials; the text is the exchange's."""


class FrameMalformed(RxfeedError, ValueError):
    """A frame is not a message: the feed emits it as `Malformed`, the classic client passes this to `on_error`."""


class FeedClosed(RxfeedError):
    """The feed has ended and cannot be opened again: make a new one."""


class WrongProcess(RxfeedError):
    """A feed or a sink that runs in the parent process was used in a forked child, where its threads do not exist."""


class SinkError(RxfeedError):
    """A sink could not store its items; *unwritten*: the number of items that it still had."""

    def __init__(self, text: str, unwritten: int) -> None:
        super().__init__(text)
        self.unwritten = unwritten
