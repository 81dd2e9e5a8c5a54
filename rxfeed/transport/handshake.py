"""The opening handshake of WebSocket: the request, and what the answer means."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import socket
from collections.abc import Mapping

from rxfeed.secrets import REDACTED, Secret, revealed, secret
from rxfeed.transport.attempt import Attempt
from rxfeed.transport.endpoint import Endpoint
from rxfeed.transport.head import Answer

# A shorter text, such as a flag, would be replaced in words that have nothing to do with it.
_SHORTEST_SECRET = 6
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class UpgradeRefused(Exception):
    """The server answered with *status* in place of an upgrade."""

    def __init__(self, text: str, status: int, headers: dict[str, str]) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


class UpgradeBroken(Exception):
    """The answer is an upgrade, but not one to WebSocket."""


def upgrade(sock: socket.socket, endpoint: Endpoint, headers: Mapping[str, str | Secret], attempt: Attempt) -> bytes:
    """Shake hands on *sock*; what came behind the answer. Nothing of the body of another answer is read."""
    key = base64.b64encode(os.urandom(16)).decode()
    attempt.step = "sending the handshake"
    attempt.send(sock, memoryview(_request(endpoint, headers, key).reveal().encode()))
    attempt.step = "waiting for the answer to the handshake"
    with Answer(sock, attempt) as answer:
        if answer.status != 101:
            remedy = ": set url to where it is" if answer.redirects else ""
            sent = [endpoint.query, endpoint.authorization or Secret(""), *map(secret, headers.values())]
            received = {name: _without(value, sent) for name, value in answer.headers.items()}
            raise UpgradeRefused(_without(f"the server answered {answer}{remedy}", sent), answer.status, received)
        _check(answer.headers, key)
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


def _without(text: str, secrets: list[Secret]) -> str:
    """*text*, in which a server may repeat what it was sent, without *secrets*."""
    for each in secrets:
        if len(each.reveal()) >= _SHORTEST_SECRET:
            text = text.replace(each.reveal(), REDACTED)
    return text


def _check(headers: Mapping[str, str], key: str) -> None:
    """Raise `UpgradeBroken` where the answer accepts something else than what was asked for."""
    for name, wanted in (("upgrade", "websocket"), ("connection", "upgrade")):
        if wanted not in (each.strip() for each in headers.get(name, "").lower().split(",")):
            raise UpgradeBroken(f"the server's answer has no '{name}: {wanted}': it is no WebSocket server")
    accepted = base64.b64encode(hashlib.sha1(f"{key}{_GUID}".encode()).digest())
    if not hmac.compare_digest(accepted, headers.get("sec-websocket-accept", "").encode(errors="replace")):
        raise UpgradeBroken("the server's answer belongs to another handshake (Sec-WebSocket-Accept)")
