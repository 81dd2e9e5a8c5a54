"""A server that is away, restarts, refuses, or loses what it had: nothing is lost silently, and secrets stay hidden."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from reactivex.subject import Subject

from rxfeed import Match, Replay, Secret
from rxfeed.errors import AuthenticationFailed, CertificateInvalid, SinkError
from rxfeed.sim.nats_server import NatsServer
from rxfeed.tape import NatsFeed, TapeSink, to_nats
from rxfeed.testing import trade
from tests.sinks.servers import until
from tests.support.collect import Collected
from tests.tape.tapes import frames_of, messages_of, played, publish, with_client

HIDDEN = "very-hidden-token"


@contextmanager
def publishing(sink: TapeSink) -> Iterator[Subject[Any]]:
    """A source of the *sink*, which is written completely at the end."""
    source: Subject[Any] = Subject()
    got = Collected(source.pipe(sink))
    yield source
    source.on_completed()
    got.wait_for_end()
    assert got.error is None, got.error


def ids(got: Collected[Any]) -> list[int]:
    return [each.trade_id for each in got.items if isinstance(each, Match)]


def test_server_that_restarts_loses_and_doubles_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The publisher and a consumer go on behind the last message, after each of several kills."""
    with NatsServer() as server, caplog.at_level(logging.WARNING, "rxfeed.tape"):
        feed = NatsFeed(server.url, since="all")
        got = Collected(feed)
        sink = to_nats(server.url, attempt_seconds=2)
        with publishing(sink) as source, feed:
            for number in range(1, 901):
                source.on_next(trade(trade_id=number))
                if number % 300 == 150:
                    server.kill()
                if number % 300 == 200:
                    server.start()
                    until(lambda: sink.stats.problem is None and not sink.stats.queued)
            got.wait_for(900)
        assert ids(got) == list(range(1, 901))
        assert len(frames_of(server.url, "rxfeed")) == 900
    assert 1 <= caplog.text.count("messages wait, and are sent when this is mended") <= 3
    assert 1 <= caplog.text.count("nothing is received until this is mended") <= 4
    assert sink.stats.retries > 0
    assert sink.stats.lost == sink.stats.dropped == 0


def test_server_that_does_not_answer_is_left_and_tried_again() -> None:
    with NatsServer() as server:
        sink = to_nats(server.url, attempt_seconds=0.3)
        with publishing(sink) as source:
            source.on_next(trade(trade_id=1))
            until(lambda: sink.stats.published >= 2)
            server.pause()
            source.on_next(trade(trade_id=2))
            until(lambda: sink.stats.problem)
            server.resume()
        assert ids(played(server.url, "rxfeed")) == [1, 2]


def test_unpublished_items_are_counted_when_the_time_is_over() -> None:
    sink = to_nats("nats://127.0.0.1:1", flush_seconds=0.2)
    source: Subject[Any] = Subject()
    got = Collected(source.pipe(sink))
    for number in range(3):
        source.on_next(trade(trade_id=number))
    assert sink.close(0.3).unwritten == 3
    got.wait_for_end()
    assert isinstance(got.error, SinkError)
    assert got.error.unwritten == 3
    assert "3 items not published: nats://127.0.0.1:1: " in str(got.error)
    assert sink.stats.lost == 3


@pytest.mark.parametrize("overflow", ["drop_oldest", "fail"])
def test_full_queue_drops_or_fails_as_it_was_told(overflow: Any) -> None:
    sink = to_nats("nats://127.0.0.1:1", queue_size=2, overflow=overflow, flush_seconds=0.1)
    got = Collected((source := Subject[Any]()).pipe(sink))
    until(lambda: sink.stats.problem)
    for number in range(5):
        source.on_next(trade(trade_id=number))
    stats = sink.stats
    assert (stats.dropped, stats.queued) == ((3, 2) if overflow == "drop_oldest" else (1, 2))
    sink.close(0.1)
    got.wait_for_end()
    assert isinstance(got.error, SinkError)


def test_deleted_stream_is_made_anew_and_reported(
    server: NatsServer, stream: str, caplog: pytest.LogCaptureFixture
) -> None:
    feed = NatsFeed(server.url, stream=stream, since="all")
    got = Collected(feed)
    sink = to_nats(server.url, stream=stream, attempt_seconds=1)
    with caplog.at_level(logging.WARNING, "rxfeed.tape"), publishing(sink) as source, feed:
        source.on_next(trade(trade_id=1))
        got.wait_for(1)
        with_client(server.url, lambda _, js: js.delete_stream(stream))
        for number in (2, 3):
            source.on_next(trade(trade_id=number))
        got.wait_for(3)
    assert ids(got) == [1, 2, 3]
    assert got.items[0].epoch < got.items[1].epoch  # what the stream had is unknown to this feed
    assert "the stream was deleted, with its messages; it is made" in caplog.text
    assert "was deleted and made anew. All epochs rise here" in caplog.text


def test_messages_that_retention_deleted_before_they_were_read_are_a_loss(
    server: NatsServer, stream: str, caplog: pytest.LogCaptureFixture
) -> None:
    publish(Replay([trade(trade_id=number) for number in range(10)]), server.url, stream)
    feed = NatsFeed(server.url, stream=stream, since="all", until="now")
    feed._reader.place.last, feed._reader.place.created = 2, None  # pyright: ignore  # as after a lost connection

    async def purge(client: Any, js: Any) -> None:
        feed._reader.place.created = (await js.stream_info(stream)).created  # pyright: ignore
        feed._reader.place.target = 99  # pyright: ignore
        await js.purge_stream(stream, seq=8)

    with_client(server.url, purge)
    got = Collected(feed)
    with caplog.at_level(logging.WARNING, "rxfeed.tape"):
        feed.serve()
    assert ids(got) == [6, 7, 8, 9]
    assert "has deleted 5 messages before they were read" in caplog.text


def test_deleted_consumer_is_replaced(server: NatsServer, stream: str) -> None:
    feed = NatsFeed(server.url, stream=stream, since="all")
    got = Collected(feed)

    async def delete(client: Any, js: Any) -> None:
        for each in await js.consumers_info(stream):
            await js.delete_consumer(stream, each.name)

    with publishing(to_nats(server.url, stream=stream)) as source, feed:
        for number in range(30):
            source.on_next(trade(trade_id=number))
            if number % 10 == 5:
                got.wait_for(number + 1)
                with_client(server.url, delete)
        got.wait_for(30)
    assert ids(got) == list(range(30))


def test_full_stream_that_refuses_makes_the_publisher_wait(
    server: NatsServer, stream: str, caplog: pytest.LogCaptureFixture
) -> None:
    from nats.js.api import DiscardPolicy, StreamConfig

    config = StreamConfig(name=stream, subjects=[f"{stream}.>"], max_msgs=5, discard=DiscardPolicy.NEW)

    async def grow(client: Any, js: Any) -> None:
        config.max_msgs = 100
        await js.update_stream(config)

    with_client(server.url, lambda _, js: js.add_stream(config))
    with caplog.at_level(logging.WARNING, "rxfeed.tape"), publishing(to_nats(server.url, stream=stream)) as source:
        for number in range(20):
            source.on_next(trade(trade_id=number))
        until(lambda: "maximum messages exceeded" in caplog.text)
        with_client(server.url, grow)
    assert sorted(ids(played(server.url, stream))) == list(range(20))


def test_slow_subscriber_gets_everything_and_buffers_little(server: NatsServer, stream: str) -> None:
    publish(Replay([trade(trade_id=number) for number in range(3000)]), server.url, stream)
    feed = NatsFeed(server.url, stream=stream, since="all", until="now")
    feed._reader.inbox._most = 100  # pyright: ignore
    waiting: list[int] = []
    got = Collected(feed)

    def slowly(message: Any) -> None:
        if message.trade_id % 500 == 0:
            time.sleep(0.05)
        waiting.append(feed._reader.inbox.waiting)  # pyright: ignore

    feed.subscribe(slowly)
    feed.serve()
    assert ids(got) == list(range(3000))
    assert max(waiting) <= 2 * 2000


# ---- credentials


def secured(config: str) -> NatsServer:
    return NatsServer(config)


@pytest.mark.parametrize(
    ("config", "right", "wrong"),
    [
        (f'authorization {{ token: "{HIDDEN}" }}', {"token": HIDDEN}, {"token": Secret(f"{HIDDEN}-not")}),
        (
            f'authorization {{ user: me, password: "{HIDDEN}" }}',
            {"user": "me", "password": Secret(HIDDEN)},
            {"user": "me", "password": f"{HIDDEN}-not"},
        ),
    ],
)
def test_credentials_are_passed_and_never_shown(
    config: str, right: Any, wrong: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), secured(config) as server:
        publish(Replay([trade(trade_id=1)]), server.url, "rxfeed", **right)
        feed = NatsFeed(server.url, since="all", until="now", **right)
        got = Collected(feed)
        feed.serve()
        assert ids(got) == [1]
        refused = NatsFeed(server.url, **wrong)
        failed = Collected(refused)
        refused.serve()
        assert isinstance(failed.error, AuthenticationFailed)
        assert f"{server.url}: the server does not accept the credentials" in str(failed.error)
        sink = to_nats(server.url, **wrong)
        stopped = Collected(Replay([trade(trade_id=1)]).pipe(sink))
        (source := Subject[Any]()).pipe(sink2 := to_nats(server.url, **wrong)).subscribe(on_error=lambda _: None)
        until(lambda: sink2.stats.session and not source.observers)
        in_url = server.url.replace("//", f"//{HIDDEN}-not@")
        shown = NatsFeed(in_url)
        texts = [caplog.text, str(failed.error), repr(sink), repr(refused), repr(shown), repr(shown._address)]  # pyright: ignore
        texts += [str(shown.about), str(stopped.error), repr(vars(sink._settings.address))]  # pyright: ignore
    assert not [text for text in texts if HIDDEN in text]


def test_credentials_file_is_used_and_that_of_another_authority_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("nkeys", reason="nkeys is not installed: it comes with the `nats` extra")
    from tests.tape.credentials import Authority

    authority = Authority()
    seeds = [authority.credentials(tmp_path / "right.creds"), Authority().credentials(tmp_path / "wrong.creds")]
    with caplog.at_level(logging.DEBUG), NatsServer(authority.config) as server:
        publish(Replay([trade(trade_id=1)]), server.url, "rxfeed", credentials=tmp_path / "right.creds")
        assert ids(played(server.url, "rxfeed", credentials=tmp_path / "right.creds")) == [1]
        refused = played(server.url, "rxfeed", credentials=tmp_path / "wrong.creds")
        assert isinstance(refused.error, AuthenticationFailed)
    for seed in seeds:
        assert seed.decode() not in caplog.text + str(refused.error)


def test_tls_with_an_own_authority_and_without_it(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    import ssl

    context = ssl.create_default_context()
    authority.configure_trust(context)
    config = f'tls {{ cert_file: "{tmp_path}/cert.pem", key_file: "{tmp_path}/key.pem" }}'
    with NatsServer(config, scheme="tls") as server:
        publish(Replay([trade(trade_id=1)]), server.url, "rxfeed", tls=context)
        assert ids(played(server.url, "rxfeed", tls=context)) == [1]
        refused = NatsFeed(server.url)
        got = Collected(refused)
        refused.serve()
    assert isinstance(got.error, CertificateInvalid)
    assert "the server's certificate cannot be verified" in str(got.error)


def test_server_without_jetstream_is_named(caplog: pytest.LogCaptureFixture) -> None:
    import subprocess

    from rxfeed.sim.nats_server import find_nats_server, free_port

    port = free_port()
    process = subprocess.Popen(
        [str(find_nats_server()), "-a", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    try:
        feed = NatsFeed(f"nats://127.0.0.1:{port}")
        with caplog.at_level(logging.WARNING, "rxfeed.tape"), feed:
            until(lambda: "JetStream is not" in (feed.problem or ""))
    finally:
        process.kill()
        process.wait()


def test_signs_of_life_let_time_pass_on_a_quiet_tape(server: NatsServer, stream: str) -> None:
    sink = to_nats(server.url, stream=stream)
    with publishing(sink) as source:
        source.on_next(trade(trade_id=1))
        until(lambda: sink.stats.published >= 4)
    kinds = [(each.headers or {}).get("Rxfeed-Kind") for each in messages_of(server.url, stream)]
    assert kinds[0] == "session"
    assert kinds[-1] == "end"
    assert kinds.count("alive") >= 2
