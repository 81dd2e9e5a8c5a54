"""Secrets that a server repeats are redacted, and nothing else is changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.secrets import redact_all_strings, redacted

SECRET = 'op/en+ses"ame=\n'
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.sampled_from('ab/\\"xé')),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(json_values, st.sampled_from([None, 1]), st.booleans())
def test_text_without_a_secret_is_unchanged(content: Any, indent: int | None, ascii_only: bool) -> None:
    raw = json.dumps(content, indent=indent, ensure_ascii=ascii_only).encode()
    assert redacted(raw, [SECRET, "", "another"]) == raw


@given(json_values, st.text("ab ", max_size=3), st.booleans())
def test_secret_is_found_at_any_place(around: Any, before: str, slashes: bool) -> None:
    content = {"type": "error", "around": around, "said": [before + SECRET, {SECRET: SECRET * 2}]}
    raw = json.dumps(content)
    if slashes:
        raw = raw.replace("/", "\\/")
    clean = json.loads(redacted(raw.encode(), ["unknown", SECRET]))
    assert clean["said"] == [f"{before}[redacted]", {"[redacted]": "[redacted][redacted]"}]
    assert clean["around"] == around
    assert clean["type"] == "error"


@pytest.mark.parametrize("raw", [b'{"said":"%s"', b"\xff%s\xfe", b"[" * 5000 + b'"%s"'], ids=["cut", "no text", "deep"])
def test_secret_is_found_in_text_that_is_no_json(raw: bytes) -> None:
    for shape in (b"op/en", b"op\\/en"):
        assert redacted(raw.replace(b"%s", shape), ["op/en"]) == raw.replace(b"%s", b"[redacted]")


def test_secret_inside_another_is_redacted_whole() -> None:
    assert redacted(b'{"said":"abcdef abc"}', ["abc", "abcdef"]) == b'{"said":"[redacted] [redacted]"}'


@pytest.mark.parametrize(
    ("secret", "said", "clean"),
    [
        ("a", "FOO-BAR is not a valid product", "FOO-BAR is not a valid product"),
        ("id", "invalid id", "invalid id"),
        ("sub", "Failed to subscribe, key=sub", "Failed to subscribe, key=[redacted]"),
        ("a-b+=", "xa-b+=y a-b+=", "xa-b+=y [redacted]"),
        ("abcdef", "xabcdefy", "x[redacted]y"),
    ],
)
def test_short_secret_is_no_part_of_a_word(secret: str, said: str, clean: str) -> None:
    assert json.loads(redacted(json.dumps({"reason": said}).encode(), [secret])) == {"reason": clean}
    assert redacted(said.encode(), [secret]).decode() == clean


def test_json_inside_a_text_is_searched() -> None:
    said = json.dumps({"key": SECRET}).replace("/", "\\/")
    clean = redacted(json.dumps({"reason": said}).encode(), [SECRET])
    assert json.loads(json.loads(clean)["reason"]) == {"key": "[redacted]"}


def test_type_is_kept_for_any_secret() -> None:
    assert redacted(b'{"type":"error","reason":"an error"}', ["error"]) == b'{"type":"error","reason":"an [redacted]"}'


@given(st.dictionaries(st.text(max_size=3).filter(lambda name: name != "type"), json_values, max_size=3))
def test_redaction_of_all_strings_keeps_the_shape(content: dict[str, Any]) -> None:
    clean = json.loads(redact_all_strings(json.dumps(content).encode()))
    assert clean.keys() == content.keys()
    assert json.loads(redact_all_strings(json.dumps({"type": "error", "in": content}).encode())) == {
        "type": "error",
        "in": clean,
    }
