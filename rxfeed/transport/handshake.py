"""The opening handshake of WebSocket: the request, and the check of the response."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import socket
from collections.abc import Mapping

from rxfeed.secrets import Secret, revealed
from rxfeed.transport.connect_attempt import ConnectAttempt
from rxfeed.transport.endpoint import Endpoint
from rxfeed.transport.head import ResponseHead
from rxfeed.transport.hidden import HiddenTexts

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


_LONGEST_DATE = 64


class UpgradeRefused(Exception):
    """The server answered with *status* instead of an upgrade."""

    def __init__(self, text: str, status: int, headers: dict[str, str]) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


class UpgradeBroken(Exception):
    """The response is an upgrade, but not to WebSocket."""


def upgrade(
    sock: socket.socket, endpoint: Endpoint, headers: Mapping[str, str | Secret], attempt: ConnectAttempt
) -> bytes:
    """The bytes after the response to the handshake on *sock*; the body of any other response is not read."""
    key = base64.b64encode(os.urandom(16)).decode()
    attempt.step = "sending the handshake"
    attempt.send(sock, memoryview(_request(endpoint, headers, key).reveal().encode()))
    attempt.step = "waiting for the response to the handshake"
    answer = ResponseHead(sock, attempt, HiddenTexts.of(endpoint, headers))
    if answer.status != 101:
        remedy = ": set url to that address" if answer.redirects else ""
        raise UpgradeRefused(f"the server answered {answer}{remedy}", answer.status, answer.shown_headers)
    _check(answer.headers, key)
    attempt.server_date = answer.headers.get("date", "")[:_LONGEST_DATE]
    return answer.unread()


def _request(endpoint: Endpoint, headers: Mapping[str, str | Secret], key: str) -> Secret:
    given = {name.lower() for name in headers}
    lines = [Secret(f"GET {endpoint.resource.reveal()} HTTP/1.1")]
    if "host" not in given:
        lines.append(Secret(f"Host: {endpoint.host_header}"))
    lines += [
        Secret("Upgrade: websocket"),
        Secret("Connection: Upgrade"),
        Secret(f"Sec-WebSocket-Key: {key}"),
        Secret("Sec-WebSocket-Version: 13"),
    ]
    if endpoint.authorization is not None and "authorization" not in given:
        lines.append(Secret(f"Authorization: {endpoint.authorization.reveal()}"))
    lines += [Secret(f"{name}: {revealed(value)}") for name, value in headers.items()]
    return Secret("\r\n".join(line.reveal() for line in (*lines, Secret(""), Secret(""))))


def _check(headers: Mapping[str, str], key: str) -> None:
    """Raise `UpgradeBroken` if the response does not accept this request."""
    for name, required in (("upgrade", "websocket"), ("connection", "upgrade")):
        if required not in (each.strip() for each in headers.get(name, "").lower().split(",")):
            raise UpgradeBroken(f"the server's response has no '{name}: {required}': it is not a WebSocket server")
    accepted = base64.b64encode(hashlib.sha1(f"{key}{_GUID}".encode()).digest())
    if not hmac.compare_digest(accepted, headers.get("sec-websocket-accept", "").encode(errors="replace")):
        raise UpgradeBroken("the server's response belongs to another handshake (Sec-WebSocket-Accept)")
