"""Opens a tunnel through a connected proxy: HTTP's CONNECT, SOCKS 4, 4a and 5."""

from __future__ import annotations

import ipaddress
import socket
import struct

from rxfeed.secrets import Secret
from rxfeed.transport.connect_attempt import ConnectAttempt
from rxfeed.transport.endpoint import basic
from rxfeed.transport.head import ResponseHead
from rxfeed.transport.hidden import HiddenTexts
from rxfeed.transport.proxy import Proxy
from rxfeed.transport.resolve import resolve

_SOCKS5_ERRORS = {
    1: "the proxy failed",
    2: "the rules of the proxy do not allow it",
    3: "the network is unreachable",
    4: "the host is unreachable",
    5: "the connection was refused",
    6: "the time to live expired",
    7: "the proxy does not support CONNECT",
    8: "the proxy does not support this kind of address",
}
_NO_USER, _USER_AND_PASSWORD = 0, 2


class TunnelRefused(Exception):
    """The proxy does not connect to the host; the text has the reason."""


def tunnel(sock: socket.socket, proxy: Proxy, host: str, port: int, attempt: ConnectAttempt) -> None:
    """Make *proxy*, which *sock* is connected to, connect to *host*. Raises `TunnelRefused`."""
    if proxy.kind == "http":
        _connect(sock, proxy, host, port, attempt)
    elif proxy.kind.startswith("socks4"):
        _socks4(sock, proxy, host, port, attempt)
    else:
        _socks5(sock, proxy, host, port, attempt)


def _connect(sock: socket.socket, proxy: Proxy, host: str, port: int, attempt: ConnectAttempt) -> None:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = Secret(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n")
    hidden = HiddenTexts()
    if proxy.user is not None:
        login = basic(proxy.user, proxy.password)
        hidden = HiddenTexts([proxy.user, proxy.password], credentials=[login])
        lines = Secret(f"{lines.reveal()}Proxy-Authorization: {login.reveal()}\r\n")
    attempt.send(sock, memoryview(f"{lines.reveal()}\r\n".encode()))
    answer = ResponseHead(sock, attempt, hidden)
    if not 200 <= answer.status < 300:
        raise TunnelRefused(f"it answered {answer}")
    if answer.unread():
        raise TunnelRefused("it sent more than the head of its answer")


def _socks4(sock: socket.socket, proxy: Proxy, host: str, port: int, attempt: ConnectAttempt) -> None:
    name = b""
    address = _address(host, port, attempt, (socket.AF_INET,)) if proxy.kind == "socks4" else _numeric(host)
    if address is None:  # the proxy resolves the host: an invalid address, followed by the name
        address, name = b"\0\0\0\1", host.encode("idna") + b"\0"
    if len(address) != 4:
        raise TunnelRefused("SOCKS 4 has no addresses of IPv6: use socks5:// or socks5h://")
    request = struct.pack("!BBH", 4, 1, port) + address
    user = proxy.user or Secret("")
    attempt.send(sock, memoryview(request + user.reveal().encode(errors="replace") + b"\0" + name))
    version, code = attempt.receive(sock, 8)[:2]
    if version != 0 or code != 0x5A:
        raise TunnelRefused(f"its SOCKS 4 answer is {code:#x} instead of 0x5a")


def _socks5(sock: socket.socket, proxy: Proxy, host: str, port: int, attempt: ConnectAttempt) -> None:
    methods = [_NO_USER] if proxy.user is None else [_NO_USER, _USER_AND_PASSWORD]
    attempt.send(sock, memoryview(bytes([5, len(methods), *methods])))
    version, method = attempt.receive(sock, 2)
    if version != 5:
        raise TunnelRefused("its answer is not SOCKS 5")
    if method not in methods:
        raise TunnelRefused("it requires a user and a password: give socks5://user:password@host:port")
    if method == _USER_AND_PASSWORD:
        user = proxy.user or Secret("")
        attempt.send(sock, memoryview(b"\1" + _counted(user) + _counted(proxy.password)))
        if attempt.receive(sock, 2)[1] != 0:
            raise TunnelRefused("it does not accept the user and the password")
    address = _address(host, port, attempt) if proxy.kind == "socks5" else _numeric(host)
    if address is None:
        place = b"\3" + _counted(Secret(host.encode("idna").decode()))
    else:
        place = (b"\1" if len(address) == 4 else b"\4") + address
    attempt.send(sock, memoryview(b"\5\1\0" + place + struct.pack("!H", port)))
    _, code, _, kind = attempt.receive(sock, 4)
    if code != 0:
        raise TunnelRefused(_SOCKS5_ERRORS.get(code, f"its SOCKS 5 answer is {code:#x}"))
    # The address that the proxy uses is read and not needed.
    attempt.receive(sock, 2 + {1: 4, 4: 16}.get(kind, attempt.receive(sock, 1)[0] if kind == 3 else 0))


def _counted(text: Secret) -> bytes:
    encoded = memoryview(text.reveal().encode(errors="replace"))
    if len(encoded) > 255:
        raise TunnelRefused("SOCKS 5 allows at most 255 bytes for a user, a password or a host")
    return bytes([len(encoded)]) + encoded


def _numeric(host: str) -> bytes | None:
    try:
        return ipaddress.ip_address(host).packed
    except ValueError:
        return None


def _address(
    host: str,
    port: int,
    attempt: ConnectAttempt,
    families: tuple[socket.AddressFamily, ...] = (socket.AF_INET, socket.AF_INET6),
) -> bytes:
    """The bytes of the first address of *host*."""
    for family, address in resolve(host, port, attempt):
        if family in families:
            return socket.inet_pton(family, str(address[0]).partition("%")[0])
    raise TunnelRefused(f"{host} has no address that the proxy can connect to")
