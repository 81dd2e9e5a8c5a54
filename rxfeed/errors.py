"""Every error that rxfeed raises or sends down `on_error`, in one tree.

    RxfeedError
    ├── ConfigError (also ValueError)       an argument or a setting that can never work
    │   ├── ExtraMissing (also ImportError) a package of an extra is not installed
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
    │   ├── ProtocolViolated                what came is not WebSocket
    │   └── TimestampRejected               a signed request was refused, most likely for the time of a clock
    ├── AuthenticationFailed                the exchange does not accept the credentials
    ├── FrameMalformed (also ValueError)    a frame that is no message, where an exception has to carry it
    ├── BookEmpty (also IndexError, ValueError, AttributeError)
    │                                       the classic order book has no order on that side
    ├── FeedClosed                          the feed has ended and cannot be opened again
    ├── WrongProcess                        a feed or a sink of the parent process, used in a forked child
    └── SinkError                           a sink could not keep what it was given

No exception of websocket-client passes the transport, none of pymongo the sinks: each is mapped there, once,
and stands behind ours as `__cause__`. Each can be pickled and copied.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class RxfeedError(Exception):
    """The root: `except RxfeedError` catches whatever this library raises by itself.

    All of them can be pickled and copied, with their attributes and their `__cause__`.
    """

    # By default an exception is made anew by a call with its `args`, which are not what `__init__` takes here.
    def __reduce__(self) -> tuple[Any, ...]:
        state = dict(vars(self))
        if self.__cause__ is not None:
            state["__cause__"] = picklable(self.__cause__)
        return _rebuilt, (type(self), self.args), state


def _rebuilt(kind: type[RxfeedError], args: tuple[Any, ...]) -> RxfeedError:
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
    """An argument or a setting that can never work; the text names it and shows its value."""


class ExtraMissing(ConfigError, ImportError):
    """*package* is not installed, and *needed_by* needs it; the text has the command that installs it."""

    def __init__(self, package: str, needed_by: str, command: str) -> None:
        super().__init__(f"{package} is not installed, and {needed_by} needs it: {command}")
        self.package = package
        self.needed_by = needed_by
        self.command = command


def install_command(extra: str) -> str:
    """How to install *extra*, from the index and from a clone.

    >>> install_command("sim")
    'pip install "rxfeed[sim]" (in a clone of rxfeed: pip install ".[sim]")'
    """
    return f'pip install "rxfeed[{extra}]" (in a clone of rxfeed: pip install ".[{extra}]")'


@contextmanager
def needs_extra(extra: str, needed_by: str) -> Iterator[None]:
    """Around imports: `ExtraMissing`, with the command that installs *extra*, where a package is not installed.

    >>> with needs_extra("sim", "the exchange"):
    ...     import websockets
    """
    try:
        yield
    except ExtraMissing as error:  # of another extra, inside of this one
        raise ExtraMissing(error.package, needed_by, install_command(extra)) from None
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "rxfeed"):
            raise
        raise ExtraMissing(package, needed_by, install_command(extra)) from None


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


class TimestampRejected(ConnectionLost):
    """The exchange refused the time of a signed request, or credentials that it had accepted before.

    The text is the exchange's own, with the time of this machine's clock.
    """


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
