"""What a server repeats of the secrets that it was told is taken out, and nothing else is touched."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.secrets import redacted, speechless

SECRET = 'op/en+ses"ame=\n'
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.sampled_from('ab/\\"xé')),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(json_values, st.sampled_from([None, 1]), st.booleans())
def test_what_holds_no_secret_stays_byte_for_byte(content: Any, indent: int | None, ascii_only: bool) -> None:
    raw = json.dumps(content, indent=indent, ensure_ascii=ascii_only).encode()
    assert redacted(raw, [SECRET, "", "another"]) == raw


@given(json_values, st.text("ab ", max_size=3), st.booleans())
def test_wherever_it_stands_it_is_found(around: Any, before: str, slashes: bool) -> None:
    content = {"type": "error", "around": around, "said": [before + SECRET, {SECRET: SECRET * 2}]}
    raw = json.dumps(content)
    if slashes:
        raw = raw.replace("/", "\\/")
    clean = json.loads(redacted(raw.encode(), ["unknown", SECRET]))
    assert clean["said"] == [f"{before}[redacted]", {"[redacted]": "[redacted][redacted]"}]
    assert clean["around"] == around
    assert clean["type"] == "error"


@pytest.mark.parametrize("raw", [b'{"said":"%s"', b"\xff%s\xfe", b"[" * 5000 + b'"%s"'], ids=["cut", "no text", "deep"])
def test_also_in_what_is_no_json(raw: bytes) -> None:
    for shape in (b"op/en", b"op\\/en"):
        assert redacted(raw.replace(b"%s", shape), ["op/en"]) == raw.replace(b"%s", b"[redacted]")


def test_a_secret_that_is_part_of_another_leaves_nothing_of_it() -> None:
    assert redacted(b'{"said":"abcdef abc"}', ["abc", "abcdef"]) == b'{"said":"[redacted] [redacted]"}'


def test_json_in_a_text_is_searched_too() -> None:
    said = json.dumps({"key": SECRET}).replace("/", "\\/")
    clean = redacted(json.dumps({"reason": said}).encode(), [SECRET])
    assert json.loads(json.loads(clean)["reason"]) == {"key": "[redacted]"}


def test_the_type_stays_whatever_the_secret_is() -> None:
    assert redacted(b'{"type":"error","reason":"an error"}', ["error"]) == b'{"type":"error","reason":"an [redacted]"}'


@given(st.dictionaries(st.text(max_size=3).filter(lambda name: name != "type"), json_values, max_size=3))
def test_without_words_the_shape_stays(content: dict[str, Any]) -> None:
    clean = json.loads(speechless(json.dumps(content).encode()))
    assert clean.keys() == content.keys()
    assert json.loads(speechless(json.dumps({"type": "error", "in": content}).encode())) == {
        "type": "error",
        "in": clean,
    }
