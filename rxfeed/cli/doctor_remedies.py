"""What to do about a connection that could not be opened, and the exit status of it."""

from __future__ import annotations

from http import HTTPStatus

from rxfeed.cli.doctor_options import ExitStatus
from rxfeed.errors import AddressNotFound, CertificateInvalid, ConnectFailed, HandshakeRejected, ProxyFailed

_STATUS = {
    "resolve": ExitStatus.RESOLVE,
    "connect": ExitStatus.CONNECT,
    "proxy": ExitStatus.CONNECT,
    "TLS": ExitStatus.TLS,
    "handshake": ExitStatus.HANDSHAKE,
}
_REMEDIES = {
    "resolve": "the resolver does not answer: check this machine's network and its DNS servers",
    "connect": "check the host and the port in --url; a firewall may drop the packets, and a proxy (--proxy) may be "
    "the only way out",
    "proxy": "check --proxy, or http_proxy and https_proxy in the environment",
    "TLS": "the port may be one without TLS (ws:// in place of wss://), or something between intercepts the connection",
    "handshake": "the server is no WebSocket server at this path: check --url",
}


def connect_status(error: ConnectFailed, step: str) -> ExitStatus:
    match error:
        case AddressNotFound():
            return ExitStatus.RESOLVE
        case CertificateInvalid():
            return ExitStatus.TLS
        case ProxyFailed():
            return ExitStatus.CONNECT
    return _STATUS.get(step, ExitStatus.CONNECT)


def remedy_of_connect(error: ConnectFailed, step: str) -> str:
    match error:
        case AddressNotFound():
            return "check the spelling of the host in --url, and this machine's network and DNS servers"
        case CertificateInvalid():
            return (
                "a company's proxy may replace certificates: add its authority to the system's, or set SSL_CERT_FILE; "
                "if the certificate is not valid yet or has expired, check this machine's clock"
            )
        case ProxyFailed():
            return _REMEDIES["proxy"]
        case ConnectFailed() if step == "handshake" and isinstance(error.__cause__, TimeoutError):
            return "the server, or a proxy before it, does not answer: try again, raise --seconds, and check --url"
        case HandshakeRejected(status=HTTPStatus.UNAUTHORIZED | HTTPStatus.PROXY_AUTHENTICATION_REQUIRED):
            return (
                "a gateway wants a user and a password: give them in --url as wss://user:password@host; a key of the "
                "venue is not sent before the subscription"
            )
        case HandshakeRejected(status=HTTPStatus.FORBIDDEN):
            return "the server refuses this address or region: try from another network, or through --proxy"
        case HandshakeRejected(status=HTTPStatus.TOO_MANY_REQUESTS):
            return "too many connections from this address: wait a minute, and open fewer"
        case HandshakeRejected(status=HTTPStatus.NOT_FOUND):
            return "there is nothing at this path: check --url and --venue"
        case HandshakeRejected(status=status) if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return "the server fails: try again later, and look at the venue's status page"
    return _REMEDIES.get(step, _REMEDIES["connect"])
