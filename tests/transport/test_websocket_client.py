"""What the transport relies on in websocket-client: public names of its frames, and their behaviour."""

from __future__ import annotations

import ast
import configparser
from pathlib import Path

import pytest
from websocket import ABNF, STATUS_NORMAL, WebSocketProtocolException

import rxfeed.transport

ROOT = Path(rxfeed.transport.__file__).parents[2]
FILES = sorted((ROOT / "rxfeed" / "transport").glob("*.py"))
NAMES = {
    "ABNF",
    "STATUS_NORMAL",
    "WebSocket",  # of which a script's own sockets are redirected
    "WebSocketConnectionClosedException",
    "WebSocketProtocolException",
    "WebSocketTimeoutException",
}
ATTRIBUTES = {
    *("OPCODES", "OPCODE_CONT", "OPCODE_TEXT", "OPCODE_BINARY", "OPCODE_CLOSE", "OPCODE_PING", "OPCODE_PONG"),
    *("create_frame", "mask"),
}


def test_transport_uses_only_these_names_of_the_library() -> None:
    names: set[str] = set()
    attributes: set[str] = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            assert not (isinstance(node, ast.Import) and any("websocket" in each.name for each in node.names))
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("websocket"):
                assert node.module == "websocket"
                names |= {each.name for each in node.names}
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ABNF":
                attributes.add(node.attr)
    assert (names, attributes) == (NAMES, ATTRIBUTES)


def test_versions_of_the_library_are_limited() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert "websocket-client>=1.9.1,<2" in config["options"]["install_requires"].split()


def test_opcodes_are_those_of_the_standard() -> None:
    assert tuple(ABNF.OPCODES) == (0, 1, 2, 8, 9, 10)
    assert (ABNF.OPCODE_CONT, ABNF.OPCODE_TEXT, ABNF.OPCODE_BINARY) == (0, 1, 2)
    assert (ABNF.OPCODE_CLOSE, ABNF.OPCODE_PING, ABNF.OPCODE_PONG) == (8, 9, 10)
    assert STATUS_NORMAL == 1000


@pytest.mark.parametrize("size", [0, 1, 3, 4, 125, 126, 65_535, 65_536])
def test_created_frame_is_whole_and_masked(size: int) -> None:
    payload = bytes(i % 251 for i in range(size))
    frames = [ABNF.create_frame(payload, ABNF.OPCODE_TEXT).format() for _ in range(2)]
    extended = 0 if size < 126 else 2 if size < 65_536 else 8
    for each in frames:
        head = 2 + extended + 4
        assert (each[0], each[1] & 0x80) == (0x81, 0x80)
        assert ABNF.mask(each[head - 4 : head], each[head:]) == payload
    assert frames[0][2 + extended : 6 + extended] != frames[1][2 + extended : 6 + extended]  # a new key for each frame


def test_mask_applies_the_key_to_each_byte() -> None:
    assert ABNF.mask(b"\x01\x02\x03\x04", b"\x10\x10\x10\x10\x10") == b"\x11\x12\x13\x14\x11"


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000])
def test_close_with_an_invalid_code_is_rejected(code: int) -> None:
    with pytest.raises(WebSocketProtocolException):
        _close(code.to_bytes(2, "big"))


@pytest.mark.parametrize("payload", [b"", *(code.to_bytes(2, "big") for code in (1000, 1003, 1007, 1014, 3000, 4999))])
def test_close_with_a_valid_code_is_accepted(payload: bytes) -> None:
    _close(payload)
    if payload:
        _close(payload + b"\xff")  # the reason is not checked


def _close(payload: bytes) -> None:
    ABNF(1, 0, 0, 0, ABNF.OPCODE_CLOSE, 0, payload).validate(skip_utf8_validation=True)
