"""The page about tapes: its programs run on a server, and its tables name what there is."""

from __future__ import annotations

from typing import Any

import pytest

from rxfeed import Replay
from rxfeed.sim.nats_server import NatsServer, find_nats_server
from rxfeed.tape import envelope
from rxfeed.testing import trade
from tests.support.collect import Collected
from tests.support.doc_pages import DOCS, blocks
from tests.tape.tapes import publish

PAGE = DOCS / "how_to" / "tape.md"
PROGRAMS = [block.text for block in blocks(PAGE) if block.language == "python"]


def test_headers_of_the_page_are_those_of_the_tape() -> None:
    text = PAGE.read_text()
    names = (envelope.MESSAGE_ID, envelope.VENUE, envelope.RECEIVED, envelope.EPOCH, envelope.FROM)
    assert [name for name in (*names, envelope.KIND, envelope.PART) if f"`{name}`" not in text] == []


@pytest.mark.skipif(find_nats_server() is None, reason="no nats-server: neither on PATH nor from the `demo` extra")
def test_programs_of_the_page_run(capsys: pytest.CaptureFixture[str]) -> None:
    playing, study = PROGRAMS
    with NatsServer() as server:
        publish(Replay([trade(trade_id=number + 1, time=number) for number in range(130)]), server.url, "rxfeed")
        at_once = playing.replace("nats://localhost:4222", server.url).replace('"all"', '"all", until="now"')
        exec(at_once, {"__name__": "__main__"})
    assert capsys.readouterr().out.count("VolumeWindow ") == 3
    names: dict[str, Any] = {}
    exec(study, names)
    replay = Replay([trade(trade_id=number + 1, time=number) for number in range(130)])
    got = Collected(names["study"](replay))
    replay.serve()
    assert len(got.items) == 3
