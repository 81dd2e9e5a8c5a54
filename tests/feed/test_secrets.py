"""What an exchange repeats of the credentials gets into no status, exception or log line."""

from __future__ import annotations

import json
import logging

import pytest

from rxfeed import Credentials, Feed
from tests.support.collect import Collected
from tests.support.wire import Wire, WireServer, close_frame, frame

KEY = Credentials("the-api-key", "c2VjcmV0L29mL21pbmU+Pg==", "open/sesame")


def test_what_is_repeated_is_blanked_in_status_errors_and_log(caplog: pytest.LogCaptureFixture) -> None:
    said: list[dict[str, str]] = []

    def play(wire: Wire) -> None:
        wire.shake()
        said.append(json.loads(wire.recv_frame()[1]))
        wire.send(frame(json.dumps({"type": "error", "message": "Failed to subscribe", "reason": json.dumps(said[0])})))
        wire.send(close_frame(1008, f"{KEY.key} is {KEY.passphrase.reveal()}"))
        wire.until_gone()

    with caplog.at_level(logging.DEBUG, "rxfeed"), WireServer(play) as server:
        feed = Feed("A-B", "ticker", url=server.url, credentials=KEY, reconnect=False)
        status, got = Collected(feed.status), Collected(feed)
        feed.serve()
    told = "".join(map(str, status.items)) + caplog.text + str(got.error) + repr(got.error) + repr(feed)
    assert told.count("[redacted]") > 4
    assert "Failed to subscribe" in told
    for secret in (KEY.key, KEY.secret.reveal(), KEY.passphrase.reveal(), said[0]["signature"]):
        assert secret not in told
