"""The transition table of the framing, and that the parser follows it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import rxfeed.transport
from rxfeed.transport.events import Violation
from rxfeed.transport.frame_parser import FrameParser
from rxfeed.transport.framing import FINAL, KINDS, TRANSITIONS, FrameKind, FramingState, fault
from tests.support.wire import close_frame, frame

MAX_SIZE = 10
OVER = b"x" * (MAX_SIZE + 1)
# Bytes that lead from the first state to each.
PATHS = {
    FramingState.BETWEEN_MESSAGES: [b"", frame("whole"), frame("a", fin=False) + frame("b", 0), frame(OVER)],
    FramingState.IN_MESSAGE: [frame("a", fin=False), frame(OVER, fin=False), frame("a", fin=False) + frame("?", 9)],
    FramingState.CLOSED: [close_frame(1000), frame("a", fin=False) + close_frame(1000)],
    FramingState.FAILED: [frame("", 3), frame("a", 0), frame("a", fin=False) + frame("b")],
}
WAYS = [(state, path) for state, paths in PATHS.items() for path in paths]


def parser_after(path: bytes) -> FrameParser:
    parser = FrameParser(MAX_SIZE)
    parser.feed(path)
    return parser


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == set(FramingState) == set(PATHS)
    assert {FramingState.CLOSED, FramingState.FAILED} == FINAL


@pytest.mark.parametrize(("state", "path"), WAYS)
def test_frames_lead_to_the_state(state: FramingState, path: bytes) -> None:
    assert parser_after(path).state is state


def test_pings_and_pongs_change_no_state() -> None:
    for state in set(FramingState) - FINAL:
        assert {TRANSITIONS[state][kind] for kind in (FrameKind.PING, FrameKind.PONG)} == {state}


@pytest.mark.parametrize(("state", "path"), WAYS)
@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("payload", [b"", OVER])
def test_parser_follows_the_table(state: FramingState, path: bytes, first: int, payload: bytes) -> None:
    parser, kind = parser_after(path), KINDS[first]
    if kind is FrameKind.CLOSE:
        payload = b"\x03\xe8" + payload
    events = parser.feed(frame(payload, first & 0x0F, fin=first >= 0x80))
    if state in FINAL:
        assert (events, parser.state) == ([], state)
    elif kind in TRANSITIONS[state]:
        assert parser.state is TRANSITIONS[state][kind]
        assert not any(isinstance(event, Violation) for event in events)
    else:
        assert parser.state is FramingState.FAILED
        assert events == [Violation(fault(first, 0, state) or "")]


@pytest.mark.parametrize("first", [byte for byte in range(256) if byte not in KINDS])
def test_first_byte_of_no_kind_is_a_violation(first: int) -> None:
    for path in (path for state, path in WAYS if state not in FINAL):
        parser = parser_after(path)
        (event,) = parser.feed(bytes([first, 0]))
        assert isinstance(event, Violation)
        assert event.reason
        assert parser.state is FramingState.FAILED


def test_parser_imports_neither_sockets_nor_clocks() -> None:
    imported: set[str] = set()
    for name in ("events", "framing", "frame_parser"):
        source = Path(rxfeed.transport.__file__).with_name(f"{name}.py").read_text("utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                imported |= {each.name for each in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
    own = {"rxfeed.transport.events", "rxfeed.transport.framing"}
    assert imported - {"__future__", "enum", "msgspec", "struct", "websocket"} == own
