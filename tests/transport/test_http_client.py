"""A GET request: one deadline with its retries, bounds, no redirects, and errors that name what failed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

import pytest

from rxfeed import ConfigError, ConnectFailed, rest_snapshot
from rxfeed.compat import PublicClient
from rxfeed.core import Reconnect
from rxfeed.errors import ProxyFailed, RequestRejected
from rxfeed.secrets import Secret
from rxfeed.transport import HttpClient, Response
from tests.support.clocks import count_readings
from tests.support.leaks import nothing_left_behind
from tests.support.stopwatch import at_most
from tests.support.wire import Wire, WireServer

Ask = Callable[[str], object]
ASKS: list[Callable[[str], Ask]] = [
    lambda url: rest_snapshot(url, timeout=200),
    lambda url: PublicClient(url, timeout=200).get_product_order_book,
]


def http(server: WireServer) -> str:
    return server.url.replace("ws://", "http://")


def answering(*pieces: bytes) -> Callable[[Wire], None]:
    def play(wire: Wire) -> None:
        wire.read_request()
        for piece in pieces:
            wire.send(piece)

    return play


def dripping(first: bytes, drop: bytes) -> Callable[[Wire], None]:
    def play(wire: Wire) -> None:
        wire.read_request()
        wire.send(first)
        with contextlib.suppress(OSError):
            while True:
                time.sleep(0.001)
                wire.send(drop)

    return play


@pytest.mark.parametrize("make", ASKS)
@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 999999\r\n", b"A: b\r\n"),
    ],
    ids=["headers", "status line", "body", "chunks", "error"],
)
def test_dripping_answer_ends_at_the_deadline(
    make: Callable[[str], Ask], first: bytes, drop: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each read takes ten seconds of the clock by which the deadline is measured."""
    count_readings(monkeypatch, "rxfeed.transport.connect_attempt", 10)
    with WireServer(dripping(first, drop)) as server, nothing_left_behind(), at_most(3):
        ask = make(http(server))
        with pytest.raises(ConnectFailed, match=r"timed out after 200 s \(timeout\), (waiting|reading)"):
            ask("BTC-USD")


@pytest.mark.parametrize("make", ASKS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(make: Callable[[str], Ask], status: int) -> None:
    """The error names it, and nothing asks the server that it leads to."""
    asked: list[bytes] = []

    def elsewhere(wire: Wire) -> None:
        asked.append(wire.sock.recv(10))

    with WireServer(elsewhere) as other:
        location = f"{http(other)}/products/BTC-USD/book"
        answer = f"HTTP/1.1 {status} Moved\r\nLocation: {location}?level=3\r\nContent-Length: 0\r\n\r\n"
        with (
            WireServer(answering(answer.encode())) as server,
            pytest.raises(ConnectFailed, match=f"{status} Moved, a redirect to {location}: set url"),
        ):
            make(http(server))("BTC-USD")
    assert asked == []


@pytest.mark.parametrize("body", [b"4\r\n[1,2\r\n2\r\n,3\r\n1\r\n]\r\n0\r\n\r\n"])
def test_chunked_body_is_joined(body: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    with WireServer(answering(answer)) as server:
        assert HttpClient(http(server)).get("/").body == b"[1,2,3]"


def test_truncated_body_is_a_connect_failure() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n[1,2"
    with WireServer(answering(answer)) as server, pytest.raises(ConnectFailed, match="the connection ended after"):
        HttpClient(http(server)).get("/")


def test_headers_are_bounded() -> None:
    with (
        WireServer(answering(b"HTTP/1.1 200 OK\r\n", b"A: b" + b"x" * 100_000)) as server,
        pytest.raises(ConnectFailed, match="over 65,536 bytes of headers"),
    ):
        HttpClient(http(server)).get("/")


def test_request_line_and_headers() -> None:
    requests: list[bytes] = []

    def play(wire: Wire) -> None:
        wire.read_request()
        requests.append(wire.request)
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")

    with WireServer(play) as server:
        url = http(server).replace("//", "//me:hidden@")
        assert HttpClient(f"{url}/base/").get("/products?x=1").body == b"[]"
    first, *lines = requests[0].decode().split("\r\n")
    assert first == "GET /base/products?x=1 HTTP/1.1"
    assert [line.partition(":")[0] for line in lines if line] == [
        "Host",
        "Authorization",
        "User-Agent",
        "Accept-Encoding",
        "Connection",
    ]


@pytest.mark.parametrize(
    ("below", "path", "params", "line"),
    [
        ("", "", {}, "/"),
        ("?key=hidden", "/a", {}, "/a?key=hidden"),
        ("/base?key=hidden", "/a?x=1", {"y": "2 3"}, "/base/a?key=hidden&x=1&y=2+3"),
        ("/base/", "/a b#c", {}, "/base/a%20b%23c"),
        ("", "/a\r\nX: y", {}, "/a%0D%0AX:%20y"),
    ],
)
def test_path_and_params_are_below_the_url(below: str, path: str, params: dict[str, str], line: str) -> None:
    lines: list[str] = []

    def play(wire: Wire) -> None:
        wire.read_request()
        lines.append(wire.request.decode().partition("\r\n")[0])
        wire.send("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")

    with WireServer(play) as server, pytest.raises(RequestRejected) as caught:
        HttpClient(f"{http(server)}{below}").get(path, params)
    assert lines == [f"GET {line} HTTP/1.1"]
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan"), True, "5"])
def test_bad_timeout_is_rejected(timeout: float) -> None:
    with pytest.raises(ConfigError, match="timeout"):
        rest_snapshot(timeout=timeout)


@pytest.mark.parametrize("url", ["ftp://host", "nothing", "http://", "http://[", 7, "http://me:hidden@x:port"])
def test_url_must_be_http(url: str) -> None:
    with pytest.raises(ConfigError, match="url: ") as caught:
        rest_snapshot(url)
    assert "hidden" not in str(caught.value)


def test_request_uses_the_environment_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []

    def play(wire: Wire) -> None:
        wire.read_request()
        heard.append(wire.request)
        wire.send("HTTP/1.1 403 Forbidden\r\n\r\n")

    with WireServer(play) as proxy:
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(ProxyFailed, match=f"the proxy http://127.0.0.1:{proxy.port}: it answered 403"):
            rest_snapshot("https://example.org")("BTC-USD")
    assert heard[0].startswith(b"CONNECT example.org:443 HTTP/1.1\r\n")


# ---- parameters, headers, responses


def test_response_has_status_headers_and_body() -> None:
    answer = b"HTTP/1.1 200 OK\r\nX-Page: 2\r\nx-page: 3\r\nContent-Length: 2\r\n\r\n{}"
    with WireServer(answering(answer)) as server:
        response = HttpClient(http(server)).get("/")
    assert response == Response(200, {"x-page": "2, 3", "content-length": "2"}, b"{}")


def test_params_and_headers_are_sent() -> None:
    requests: list[bytes] = []

    def play(wire: Wire) -> None:
        wire.read_request()
        requests.append(wire.request)
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with WireServer(play) as server:
        client = HttpClient(http(server), headers={"X-Mine": "a", "User-Agent": "mine"}, rate=1000)
        client.get("/a", {"product_ids": ["A-B", "C-D"], "limit": 5, "note": "x&y z"}, {"x-mine": Secret("b")})
        client.get("/a?x=1", {"y": "2"})
    first, second = (request.decode().split("\r\n") for request in requests)
    assert first[0] == "GET /a?product_ids=A-B&product_ids=C-D&limit=5&note=x%26y+z HTTP/1.1"
    assert [line for line in first if line.lower().startswith(("x-mine", "user-agent"))] == [
        "x-mine: b",
        "User-Agent: mine",
    ]
    assert second[0] == "GET /a?x=1&y=2 HTTP/1.1"
    assert "X-Mine: a" in second


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: HttpClient("http://a", rate=0), "rate"),
        (lambda: HttpClient("http://a", retry=3), "retry"),  # type: ignore[arg-type]
        (lambda: HttpClient("http://a", max_size=0), "max_size"),
        (lambda: HttpClient("http://a", headers={"a b": "c"}), "headers"),
        (lambda: HttpClient("http://a", proxy="ftp://b"), "proxy"),
        (lambda: HttpClient("http://a").get("@b/"), "path"),
        (lambda: HttpClient("http://a").get("/", headers={"Connection": "keep-alive"}), "headers"),
    ],
)
def test_invalid_arguments_are_named(make: Callable[[], object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        make()


# ---- errors and retries

QUICK = Reconnect(initial=0.01, maximum=0.01, retries=2)


class Script:
    """Plays one of *answers* for each connection, and counts the connections."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = [*answers]
        self.times: list[float] = []

    def __call__(self, wire: Wire) -> None:
        wire.read_request()
        self.times.append(time.monotonic())
        wire.send(self.answers.pop(0))


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"


def test_rejection_has_status_reason_headers_and_body() -> None:
    body = b'{"message":"NotFound","key":"hidden-param"}'
    answer = b"HTTP/1.1 404 Not Found\r\nX-Id: hidden-token\r\nContent-Length: 43\r\n\r\n" + body
    with WireServer(Script(answer)) as server, pytest.raises(RequestRejected) as caught:
        HttpClient(http(server)).get("/products", {"key": Secret("hidden-param")}, {"X-Key": Secret("hidden-token")})
    error = caught.value
    assert (error.status, error.reason, error.retry_after) == (404, "Not Found", 0.0)
    assert str(error).startswith(f'{http(server)}/products: the server answered 404 Not Found: {{"message":"NotFound"')
    assert error.headers["x-id"] == "[redacted]"
    assert b"NotFound" in error.body
    assert "hidden" not in f"{error}{error.headers}{error.body}"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 no hidden-token\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 400 No\r\nContent-Length: 20\r\n\r\nno hidden-token here",
        b"HTTP/1.1 302 No\r\nLocation: /login/hidden-token\r\nContent-Length: 0\r\n\r\n",
        b"no hidden-token\r\n",
    ],
    ids=["reason", "body", "redirect", "no HTTP"],
)
def test_value_in_the_query_of_the_url_is_in_no_error(answer: bytes) -> None:
    with WireServer(Script(answer)) as server, pytest.raises(ConnectFailed) as caught:
        HttpClient(f"{http(server)}/base?token=hidden-token").get("/products", {"limit": 3})
    error = caught.value
    assert "[redacted]" in str(error)
    shown = f"{error}{vars(error)}{error.__cause__}{error.__context__}"
    assert "hidden" not in shown


def test_rejection_with_a_body_that_cannot_be_read_has_its_status() -> None:
    answer = b"HTTP/1.1 429 Slow down\r\nRetry-After: 3\r\nTransfer-Encoding: gzip\r\n\r\n"
    with WireServer(Script(answer)) as server, pytest.raises(RequestRejected) as caught:
        HttpClient(http(server), retry=Reconnect(retries=0)).get("/")
    assert (caught.value.status, caught.value.retry_after, caught.value.body) == (429, 3.0, b"")


@pytest.mark.parametrize("first", [BUSY, BUSY.replace(b"503", b"429"), b"", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_temporary_failures_are_retried(first: bytes) -> None:
    script = Script(first, first, OK)
    with WireServer(script) as server, nothing_left_behind():
        assert HttpClient(http(server), retry=QUICK, rate=1000).get("/").body == b"{}"
    assert script.answers == []


def test_attempts_are_limited() -> None:
    script = Script(BUSY, BUSY, BUSY, OK)
    with WireServer(script) as server, pytest.raises(RequestRejected, match="503 Busy"):
        HttpClient(http(server), retry=QUICK, rate=1000).get("/")
    assert script.answers == [OK]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 No\r\n\r\n",
        b"HTTP/1.1 401 No\r\n\r\n",
        b"what?\r\n\r\n",
        b"HTTP/1.1 302 No\r\nLocation: /\r\n\r\n",
    ],
)
def test_lasting_failures_are_not_retried(answer: bytes) -> None:
    script = Script(answer, OK)
    with WireServer(script) as server, pytest.raises(ConnectFailed):
        HttpClient(http(server), retry=QUICK, rate=1000).get("/")
    assert script.answers == [OK]


def test_retry_after_delays_the_next_attempt_and_other_requests() -> None:
    script = Script(b"HTTP/1.1 429 Slow down\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", OK, OK)
    with WireServer(script) as server:
        client = HttpClient(http(server), retry=QUICK, rate=5)
        client.get("/")
        client.get("/")
    first, second, third = script.times
    assert second - first >= 0.95
    assert third - second >= 0.15


def test_retry_after_beyond_the_deadline_fails_at_once() -> None:
    script = Script(b"HTTP/1.1 429 Slow down\r\nRetry-After: 100\r\nContent-Length: 0\r\n\r\n", OK)
    with WireServer(script) as server, at_most(2):
        client = HttpClient(http(server), timeout=5)
        with pytest.raises(RequestRejected) as caught:
            client.get("/")
        with pytest.raises(ConnectFailed, match=r"the rate limit allows no request within the 5 s of timeout"):
            client.get("/")
    assert caught.value.retry_after == 100
    assert script.answers == [OK]


def test_retries_end_at_the_deadline() -> None:
    script = Script(*[BUSY] * 1000)
    with WireServer(script) as server, at_most(2), pytest.raises(ConnectFailed):
        HttpClient(http(server), retry=Reconnect(initial=0.01, maximum=0.01), rate=1000, timeout=0.3).get("/")
    assert len(script.times) > 3


@pytest.mark.parametrize("several", [False, True])
def test_rate_is_shared_by_threads_and_clients(several: bool) -> None:
    """Each connection of a feed has a client of its own, and a server counts the requests of an address."""
    script = Script(*[OK] * 6)
    with WireServer(script) as server:
        clients = [HttpClient(http(server), rate=20) for _ in range(6)]
        threads = [threading.Thread(target=clients[place * several].get, args=("/",)) for place in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert script.times[-1] - script.times[0] >= 0.2


def test_server_that_limits_one_client_holds_all() -> None:
    script = Script(b"HTTP/1.1 429 Slow down\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", OK, OK)
    with WireServer(script) as server:
        one, two = (HttpClient(http(server), retry=Reconnect(retries=0), rate=1000) for _ in range(2))
        with pytest.raises(RequestRejected):
            one.get("/")
        two.get("/")
        HttpClient(http(server), rate=999).get("/")  # a limit of its own
    assert script.times[1] - script.times[0] >= 0.9


def test_close_ends_running_requests() -> None:
    failures: list[ConnectFailed] = []

    def request(client: HttpClient) -> None:
        try:
            client.get("/")
        except ConnectFailed as error:
            failures.append(error)

    reached = threading.Event()

    def play(wire: Wire) -> None:
        wire.read_request()
        reached.set()
        wire.until_disconnected()

    with WireServer(play) as server, nothing_left_behind(), at_most(5):
        client = HttpClient(http(server), timeout=60)
        thread = threading.Thread(target=request, args=(client,))
        thread.start()
        assert reached.wait(5)
        client.close()
        thread.join(5)
        with pytest.raises(ConnectFailed, match="the client is closed"):
            client.get("/")
    (failure,) = failures
    assert str(failure).endswith("the attempt was aborted")
