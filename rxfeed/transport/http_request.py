"""The text of a GET request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from rxfeed._version import __version__
from rxfeed.secrets import Secret, revealed
from rxfeed.transport.endpoint import Endpoint

Parameters = Mapping[str, str | int | Secret | Sequence[str]]
"""The parameters of a query; a sequence repeats the name. A server may repeat them in an error, but not a `Secret`."""
Headers = Mapping[str, str | Secret]


def query(params: Parameters) -> Secret:
    """*params* as the query of a URL."""
    if not params:
        return Secret("")
    pairs = [
        (name, each if isinstance(each, Secret) else Secret(str(each)))
        for name, value in params.items()
        for each in ([value] if isinstance(value, str | int | Secret) else value)
    ]
    return Secret(urlencode([(name, value.reveal()) for name, value in pairs]))


def header_lines(endpoint: Endpoint, headers: Headers, *, keep_alive: bool) -> Secret:
    """The lines after the first one of a request to the server of *endpoint*, up to the end of the request."""
    given = {name.lower() for name in headers}
    lines: list[Secret] = []
    if "host" not in given:
        lines.append(Secret(f"Host: {endpoint.host_header}"))
    if endpoint.authorization is not None and "authorization" not in given:
        lines.append(Secret(f"Authorization: {endpoint.authorization.reveal()}"))
    if "user-agent" not in given:
        lines.append(Secret(f"User-Agent: rxfeed/{__version__}"))
    lines += [Secret(f"{name}: {revealed(value)}") for name, value in headers.items()]
    lines += [Secret("Accept-Encoding: identity"), Secret(f"Connection: {'keep-alive' if keep_alive else 'close'}")]
    return Secret("\r\n".join(line.reveal() for line in (*lines, Secret(""), Secret(""))))


def request(endpoint: Endpoint, lines: Secret) -> Secret:
    """The whole request of the resource of *endpoint*, with these header *lines*."""
    return Secret(f"GET {endpoint.resource.reveal()} HTTP/1.1\r\n{lines.reveal()}")
