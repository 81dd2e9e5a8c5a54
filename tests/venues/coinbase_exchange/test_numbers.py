"""Numbers, counts and texts that no exchange sends: decoding never raises, for any value of a field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.core.numbers import EXACT
from rxfeed.market import Malformed, Message, Origin, stamp
from rxfeed.market.values import check
from rxfeed.venues.coinbase_exchange import ExchangeDecoder
from rxfeed.venues.coinbase_exchange import messages as m
from tests.venues.coinbase_exchange.test_decode import LAYOUT, VECTORS

MATCH: dict[str, Any] = json.loads(next(frame for frame, kind, _ in VECTORS if kind is m.Match))
LEVEL3 = [
    ["open", "A-B", "1", "o", "buy", "27268.09", "0.02", "2023-03-28T23:24:03.185394Z"],
    ["done", "A-B", "1", "o", "2023-03-28T23:24:03.185394Z"],
    ["match", "A-B", "1", "m", "t", "2", "3", "2023-03-28T23:24:03.185394Z"],
    ["change", "A-B", "1", "o", "2", "3", "2023-03-28T23:24:03.185394Z"],
    ["noop", "A-B", "1", "2023-03-28T23:24:03.185394Z"],
]
ABSURD = ["NaN", "sNaN", "-sNaN7", "Infinity", "-Infinity", "9e999999", "1e-999999", "1e41", "1e-41", "7" * 41]
ABSURD += ["0." + "7" * 150, "1" + "0" * 150, "0e999999", "0e-999999", "0." + "0" * 150]


def decoded(content: Any) -> Message | Malformed:
    """The decoded frame of *content*, with the schema of level3."""
    decoder = ExchangeDecoder()
    decoder.decode(LAYOUT)
    return decoder.decode(json.dumps(content).encode())


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in *content*."""
    if path:
        yield path
    if isinstance(content, dict | list):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from places(value, (*path, key))


def put(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(content))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copy


def with_raw(content: Any, path: tuple[Any, ...], raw: bytes) -> bytes:
    return json.dumps(put(content, path, "@raw@")).encode().replace(b'"@raw@"', raw)


DIGITS = st.integers(1, 600).map(lambda n: b"9" * n)
NUMBERS = st.builds(
    lambda sign, digits, point, exponent: sign + digits + point + exponent,
    st.sampled_from([b"", b"-"]),
    DIGITS,
    st.sampled_from([b"", b".5", b".", b"." + b"1" * 300]),
    st.sampled_from([b"", b"e5", b"E-5", b"e999999999", b"e-999999999", b"e" + b"9" * 400]),
)
TEXTS = (
    st.sampled_from([each.encode() for each in ABSURD]) | NUMBERS | st.sampled_from([b"_", b"1_0", b" 1 ", b"+1", b""])
)
VALUES = (
    NUMBERS
    | TEXTS.map(lambda text: b'"' + text + b'"')
    | st.sampled_from(
        [b"null", b"true", b"{}", b"[]", b"[null]", b'[["1",null]]', b'{"a":[1]}', b'"\\ud800"', b'"\\u0000"']
    )
    | st.sampled_from([b'"0001-01-01T00:00:00+23:59"', b'"9999-12-31T23:59:59.9999999Z"', b'"2026-02-30T00:00:60Z"'])
    | st.integers(1, 3000).map(lambda depth: b"[" * depth + b"]" * depth)
    | st.integers(1, 3000).map(lambda depth: b'{"a":' * depth + b"1" + b"}" * depth)
)
TARGETS = [(json.loads(frame), path) for frame, _, _ in VECTORS for path in places(json.loads(frame))]
TARGETS += [(array, path) for array in LEVEL3 for path in places(array)]
TARGETS.append((json.loads(LAYOUT), ("schema", "open", 1)))


@given(st.sampled_from(TARGETS), VALUES)
def test_no_value_of_any_field_makes_decoding_raise(target: tuple[Any, tuple[Any, ...]], value: bytes) -> None:
    decoder = ExchangeDecoder()
    decoder.decode(LAYOUT)
    raw = with_raw(*target, value)
    result = decoder.decode(raw)
    assert isinstance(result, Message | Malformed)
    if isinstance(result, Message):
        repr(stamp(result, Origin(raw, 0, 0)))
        assert isinstance(result.content, dict | list)
        for number in numbers_in(result):
            check(number)


def numbers_in(value: Any) -> Iterator[Decimal]:
    if isinstance(value, Decimal):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from numbers_in(each)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from numbers_in(getattr(value, name))


def decimals(kind: type[Any]) -> list[str]:
    hints = get_type_hints(kind, include_extras=True)
    return [name for name, hint in hints.items() if Decimal in (hint, *get_args(hint))]


KINDS = [kind for kind in vars(m).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if decimals(kind) and not kind.__name__.startswith("_")])
def test_every_decimal_of_every_type_is_checked(kind: type[Any]) -> None:
    fields: dict[str, Any] = {
        name: Decimal(1) if name in decimals(kind) else "buy" if name == "side" else "x"
        for name in kind.__struct_fields__
        if name != "_origin"
    }
    for name in decimals(kind):
        for number in ABSURD:
            with localcontext() as context:
                context.traps[InvalidOperation] = False
                with pytest.raises(ValueError, match=r"a number|Unix seconds"):
                    kind(**fields | {name: Decimal(number)})


@pytest.mark.parametrize("number", ABSURD)
def test_number_out_of_bounds_is_malformed_as_text_and_number(number: str) -> None:
    assert isinstance(decoded(MATCH | {"price": number}), Malformed)
    if "N" not in number and "I" not in number:
        result = ExchangeDecoder().decode(with_raw(MATCH, ("size",), number.encode()))
        assert isinstance(result, Malformed)
        assert (result.product_id, result.type) == ("BTC-USD", "match")


@pytest.mark.parametrize("number", ["1e40", "9" * 40, "1e-40", "0." + "1" * 40, "0.00000000", "-1", "1.0"])
def test_number_within_the_bounds_is_unchanged(number: str) -> None:
    message = decoded(MATCH | {"price": number})
    assert isinstance(message, m.Match)
    assert str(message.price) == str(Decimal(number))


@given(st.lists(st.tuples(st.integers(1, 10**40 - 1), st.integers(-79, 1), st.integers(1, 10**40 - 1)), min_size=1))
def test_sums_of_products_within_the_bounds_are_exact(pairs: list[tuple[int, int, int]]) -> None:
    total, expected = Decimal(0), 0
    for price, exponent, size in pairs:
        factors = Decimal(price).scaleb(exponent, EXACT), Decimal(size).scaleb(exponent, EXACT)
        total = EXACT.add(total, EXACT.multiply(*factors))
        expected += price * size * 10 ** (2 * (exponent + 79))
    assert total.scaleb(158, EXACT) == expected


UPDATE = {"type": "l2update", "product_id": "A-B", "changes": [["buy", "9", "1"], ["sell", "10", "1"]]}
SNAPSHOT = {"type": "snapshot", "product_id": "A-B", "bids": [["9", "1"]], "asks": [["10", "1"]]}


@pytest.mark.parametrize("size", ["-1", "-0.00000001", "NaN", "sNaN", "Infinity", "1e50"])
def test_impossible_level_makes_its_message_malformed(size: str) -> None:
    for frame, path in ((UPDATE, ("changes", 1, 2)), (SNAPSHOT, ("bids", 0, 1)), (SNAPSHOT, ("asks", 0, 1))):
        result = decoded(put(frame, path, size))
        assert isinstance(result, Malformed)
        assert (result.product_id, result.type) == ("A-B", frame["type"])
    assert isinstance(decoded(put(UPDATE, ("changes", 1, 1), "NaN")), Malformed)
    assert isinstance(decoded(put(UPDATE, ("changes", 1, 1), "-1")), m.L2Update)  # a spread's price


@pytest.mark.parametrize("name", ["sequence", "trade_id"])
@pytest.mark.parametrize("number", [-1, 2**63, 10**300])
def test_count_out_of_range_is_malformed(name: str, number: int) -> None:
    result = decoded(MATCH | {name: number})
    assert isinstance(result, Malformed)
    assert result.product_id == "BTC-USD"


@pytest.mark.parametrize("value", [b"1e400", b"9" * 5000, b"[1e999]"])
def test_content_has_exact_numbers(value: bytes) -> None:
    raw = json.dumps(MATCH)[:-1].encode() + b',"more":' + value + b"}"
    message = ExchangeDecoder().decode(raw)
    assert isinstance(message, m.Match)
    stamp(message, Origin(raw, 0, 0))
    assert message.content["price"] == MATCH["price"]


@pytest.mark.parametrize(
    ("timestamp", "microsecond"), [("1483736448.2990009", 299000), ("-0.0000001", 999999), ("-1", 0)]
)
def test_timestamp_is_truncated_to_microseconds(timestamp: str, microsecond: int) -> None:
    frame = next(frame for frame, kind, _ in VECTORS if kind is m.Activate)
    message = decoded(json.loads(frame) | {"timestamp": timestamp})
    assert isinstance(message, m.Activate)
    assert isinstance(message.time, datetime)
    assert message.time.microsecond == microsecond
