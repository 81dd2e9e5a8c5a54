"""Frames to messages: every type of the reference, and frames that are no message."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.market import ChannelSubscription, Malformed, Message, Origin, Unknown, stamp
from rxfeed.venues.coinbase_exchange import ExchangeDecoder
from rxfeed.venues.coinbase_exchange import messages as m

# One frame a type, in the reference's form, and the struct and some fields that it must become.
VECTORS: list[tuple[str, type[Message], dict[str, Any]]] = [
    (
        (
            '{"type":"subscriptions","channels":[{"name":"level2_50","product_ids":["ETH-USD"],"account_ids":null},'
            '{"name":"balance","product_ids":null,"account_ids":["d50ec984"]}]}'
        ),
        m.ExchangeSubscriptions,
        {
            "channels": (
                ChannelSubscription("level2_50", ("ETH-USD",), None),
                ChannelSubscription("balance", None, ("d50ec984",)),
            )
        },
    ),
    (
        '{"type":"error","message":"Failed to subscribe","reason":"ticket is not a valid channel"}',
        m.ExchangeError,
        {"message": "Failed to subscribe", "reason": "ticket is not a valid channel"},
    ),
    ('{"type":"error","message":"oops"}', m.ExchangeError, {"message": "oops", "reason": None}),
    (
        (
            '{"type":"heartbeat","last_trade_id":0,"product_id":"BTC-USD","sequence":136999334560,'
            '"time":"2026-09-30T02:03:22.000000Z"}'
        ),
        m.ExchangeHeartbeat,
        {"last_trade_id": 0, "sequence": 136999334560, "time": datetime(2026, 9, 30, 2, 3, 22, tzinfo=UTC)},
    ),
    (
        (
            '{"currencies":[{"id":"USDC","name":"USD Coin","min_size":"0.00000100","status":"online",'
            '"status_message":null,"max_precision":"0.000001","convertible_to":["USD"],"details":{"sort_order":3},"default_network":"ethereum",'
            '"supported_networks":[{"id":"ethereum","min_withdrawal_amount":1e-08,"network_confirmations":14,'
            '"processing_time_seconds":0}]}],"products":[{"id":"BTC-USD","base_increment":"0.00000001",'
            '"quote_increment":"0.01","status":"online","post_only":false,"margin_enabled":false}],"type":"status"}'
        ),
        m.Status,
        {},
    ),
    (
        (
            '{"type":"ticker","sequence":37475248783,"product_id":"ETH-USD","price":"1285.22","open_24h":"1310.79",'
            '"volume_24h":"245532.79269678","low_24h":"1280.52","high_24h":"1313.8","volume_30d":"9788783.60117027",'
            '"best_bid":"1285.04","best_bid_size":"0.46688654","best_ask":"1285.27","best_ask_size":"1.56637040",'
            '"side":"buy","time":"2022-10-19T23:28:22.061769Z","trade_id":370843401,"last_size":"11.4396987"}'
        ),
        m.ExchangeTicker,
        {"price": Decimal("1285.22"), "best_ask_size": Decimal("1.56637040"), "side": "buy", "trade_id": 370843401},
    ),
    (
        '{"type":"ticker","sequence":1,"product_id":"A-B","price":"1.00","best_bid":"0.9","best_ask":"1.1"}',
        m.ExchangeTicker,
        {"time": None, "side": None, "last_size": None, "best_bid_size": None},
    ),
    (
        (
            '{"type":"match","trade_id":1,"maker_order_id":"m","taker_order_id":"t","side":"sell","size":"0.00000001",'
            '"price":"80691.53","product_id":"BTC-USD","sequence":2,"time":"2026-08-25T03:35:57.198335Z"}'
        ),
        m.Match,
        {"size": Decimal("1E-8"), "taker_side": "buy"},
    ),
    (
        (
            '{"taker_fee_rate":"0.005","taker_user_id":"u","user_id":"u","profile_id":"p","taker_profile_id":"p",'
            '"type":"match","trade_id":1,"maker_order_id":"m","taker_order_id":"t","side":"buy","size":"1","price":"2",'
            '"product_id":"BTC-USD","sequence":2,"time":"2014-11-07T08:19:27.028459Z"}'
        ),
        m.Match,
        {"taker_fee_rate": Decimal("0.005"), "user_id": "u", "maker_fee_rate": None},
    ),
    (
        (
            '{"type":"last_match","trade_id":1,"maker_order_id":"m","taker_order_id":"t","side":"sell","size":"1",'
            '"price":"2","product_id":"BTC-USD","sequence":2,"time":"2026-08-25T03:35:57.198335Z"}'
        ),
        m.LastMatch,
        {"price": Decimal(2)},
    ),
    (
        (
            '{"type":"snapshot","product_id":"ETH-USD","asks":[["2671.33","0.24000910"]],"bids":[["2671.32","2.68"]],'
            '"time":"2026-09-30T02:03:12.699555Z"}'
        ),
        m.Snapshot,
        {"asks": ((Decimal("2671.33"), Decimal("0.24000910")),)},
    ),
    (
        (
            '{"type":"l2update","product_id":"ETH-USD","changes":[["buy","2631.25","0.001"],["sell","2674.51","0"]],'
            '"time":"0001-01-01T00:00:00.000000Z"}'
        ),
        m.L2Update,
        {"changes": (("buy", Decimal("2631.25"), Decimal("0.001")), ("sell", Decimal("2674.51"), Decimal(0)))},
    ),
    (
        (
            '{"order_id":"o","order_type":"limit","size":"1.06548906","price":"1950.34","client_oid":"c",'
            '"type":"received","side":"sell","product_id":"ETH-USD","time":"2022-05-25T13:29:58.006556Z","sequence":3}'
        ),
        m.Received,
        {"price": Decimal("1950.34"), "funds": None, "client_oid": "c"},
    ),
    (
        (
            '{"type":"received","time":"2014-11-09T08:19:27.028459Z","product_id":"BTC-USD","sequence":12,"order_id":"o",'
            '"funds":"3000.234","side":"buy","order_type":"market"}'
        ),
        m.Received,
        {"price": None, "size": None, "funds": Decimal("3000.234")},
    ),
    (
        (
            '{"price":"31572.35","order_id":"o","remaining_size":"0.23","type":"open","side":"sell",'
            '"product_id":"BTC-USD","time":"2022-06-01T08:32:21.469151Z","sequence":38292760991}'
        ),
        m.Open,
        {"remaining_size": Decimal("0.23")},
    ),
    (
        (
            '{"order_id":"o","reason":"canceled","price":"1948.63","remaining_size":"0.44704","type":"done",'
            '"side":"sell","product_id":"ETH-USD","time":"2022-05-25T13:29:57.988607Z","sequence":4,'
            '"cancel_reason":"101:Time In Force"}'
        ),
        m.Done,
        {"reason": "canceled", "cancel_reason": "101:Time In Force"},
    ),
    (
        (
            '{"order_id":"o","reason":"filled","type":"done","side":"sell","product_id":"ETH-USD",'
            '"time":"2022-05-25T13:29:57.988607Z","sequence":4}'
        ),
        m.Done,
        {"price": None, "remaining_size": None},
    ),
    (
        (
            '{"type":"change","reason":"STP","time":"2014-11-07T08:19:27.028459Z","sequence":80,"order_id":"o",'
            '"side":"sell","product_id":"BTC-USD","old_size":"12.234412","new_size":"5.23512","price":null}'
        ),
        m.Change,
        {"reason": "STP", "price": None, "new_size": Decimal("5.23512")},
    ),
    (
        (
            '{"type":"change","reason":"modify_order","time":"2022-06-06T22:55:43.433114Z","sequence":24753,"order_id":"o",'
            '"side":"buy","product_id":"ETH-USD","old_size":"80","new_size":"80","old_price":"7","new_price":"6"}'
        ),
        m.Change,
        {"old_price": Decimal(7), "new_price": Decimal(6)},
    ),
    (
        (
            '{"type":"activate","product_id":"test-product","timestamp":"1483736448.299000","user_id":"12",'
            '"order_id":"o","stop_type":"entry","side":"buy","stop_price":"80","size":"2","funds":"50","private":true}'
        ),
        m.Activate,
        {"time": datetime(2017, 1, 6, 21, 0, 48, 299000, tzinfo=UTC), "stop_price": Decimal(80), "private": True},
    ),
    (
        (
            '{"type":"auction","product_id":"LTC-USD","sequence":3262786978,"auction_state":"collection",'
            '"best_bid_price":"333.98","best_bid_size":"4.39088265","best_ask_price":"333.99","best_ask_size":"25.23",'
            '"open_price":"333.99","open_size":"0.193","can_open":"yes","timestamp":"2015-11-14T20:46:03.511254Z"}'
        ),
        m.ExchangeAuction,
        {"time": datetime(2015, 11, 14, 20, 46, 3, 511254, tzinfo=UTC), "can_open": "yes"},
    ),
    (
        (
            '{"type":"rfq_match","maker_order_id":"m","taker_order_id":"t","time":"2014-11-07T08:19:27.028459Z",'
            '"trade_id":30,"product_id":"BTC-USD","size":"5.23512","price":"400.23","side":"sell"}'
        ),
        m.RfqMatch,
        {"trade_id": 30},
    ),
    (
        (
            '{"type":"balance","account_id":"a","currency":"USD","holds":"1000.23","available":"102030.99",'
            '"updated":"2023-10-10T20:42:27.265Z","timestamp":"2023-10-10T20:42:29.265Z"}'
        ),
        m.Balance,
        {"available": Decimal("102030.99"), "time": datetime(2023, 10, 10, 20, 42, 29, 265000, tzinfo=UTC)},
    ),
]


@pytest.mark.parametrize(("frame", "kind", "fields"), VECTORS, ids=[kind.__name__ for _, kind, _ in VECTORS])
def test_each_type_is_decoded_into_its_struct(frame: str, kind: type[Message], fields: dict[str, Any]) -> None:
    message = ExchangeDecoder().decode(frame.encode())
    assert isinstance(message, Message)
    assert type(message) is kind
    assert message.type == json.loads(frame)["type"]
    assert {name: getattr(message, name) for name in fields} == fields


@pytest.mark.parametrize(("frame", "kind", "fields"), VECTORS, ids=[kind.__name__ for _, kind, _ in VECTORS])
def test_key_order_does_not_matter(frame: str, kind: type[Message], fields: dict[str, Any]) -> None:
    turned = json.dumps(dict(reversed(json.loads(frame).items()))).encode()
    assert ExchangeDecoder().decode(turned) == ExchangeDecoder().decode(frame.encode())


def test_numbers_of_status_are_exact() -> None:
    status = ExchangeDecoder().decode(next(frame for frame, kind, _ in VECTORS if kind is m.Status).encode())
    assert isinstance(status, m.Status)
    (currency,) = status.currencies
    assert currency.supported_networks is not None
    assert currency.supported_networks[0].min_withdrawal_amount == Decimal("0.00000001")
    assert status.products[0].quote_increment == Decimal("0.01")


LAYOUT = (
    b'{"type":"level3","schema":{"change":["type","product_id","sequence","order_id","price","size","time"],'
    b'"done":["type","product_id","sequence","order_id","time"],'
    b'"match":["type","product_id","sequence","maker_order_id","taker_order_id","price","size","time"],'
    b'"noop":["type","product_id","sequence","time"],'
    b'"open":["type","product_id","sequence","order_id","side","price","size","time"]}}'
)


@pytest.mark.parametrize(
    ("frame", "kind", "fields"),
    [
        (
            b'["open","BTC-USD","57560479456","o","buy","27268.09","0.02","2023-03-28T23:24:03.185394Z"]',
            m.Level3Open,
            {"sequence": 57560479456, "side": "buy", "price": Decimal("27268.09"), "size": Decimal("0.02")},
        ),
        (b'["done","BTC-USD","1","o","2023-03-28T23:24:03.185394Z"]', m.Level3Done, {"order_id": "o"}),
        (
            b'["match","BTC-USD","1","m","t","2","3","2023-03-28T23:24:03.185394Z"]',
            m.Level3Match,
            {"maker_order_id": "m", "size": Decimal(3)},
        ),
        (b'["change","BTC-USD","1","o","2","3","2023-03-28T23:24:03.185394Z"]', m.Level3Change, {"price": Decimal(2)}),
        (b'["noop","BTC-USD","1","2023-03-28T23:24:03.185394Z"]', m.Level3Noop, {"product_id": "BTC-USD"}),
    ],
)
def test_level3_arrays_are_read_by_their_schema(frame: bytes, kind: type[Message], fields: dict[str, Any]) -> None:
    decoder = ExchangeDecoder()
    assert isinstance(decoder.decode(LAYOUT), m.Level3Schema)
    message = decoder.decode(frame)
    assert type(message) is kind
    assert {name: getattr(message, name) for name in fields} == fields


def test_other_level3_schema_is_followed() -> None:
    decoder = ExchangeDecoder()
    decoder.decode(b'{"type":"level3","schema":{"noop":["sequence","type","time","product_id","shard"]}}')
    # The type of an array is its first place, wherever the schema has it.
    assert isinstance(decoder.decode(b'["7","noop","2023-03-28T23:24:03Z","A-B","x"]'), Malformed)
    decoder.decode(
        b'{"type":"level3","schema":{"noop":["type","time","shard","product_id","sequence"],"new":["type"]}}'
    )
    message = decoder.decode(b'["noop","2023-03-28T23:24:03Z","x","A-B","7"]')
    assert isinstance(message, m.Level3Noop)
    assert (message.product_id, message.sequence) == ("A-B", 7)
    assert decoder.decode(b'["new"]') == Unknown(type="new", level3=True)


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [("7", 7), ("0", 0), ("-1", None), ("1.5", None), ('"7"', None), ("null", None), ("true", None), ("9" * 40, None)],
)
def test_unknown_type_has_its_sequence_if_valid(sequence: str, expected: int | None) -> None:
    message = ExchangeDecoder().decode(b'{"type":"new","product_id":"A-B","sequence":%b}' % sequence.encode())
    assert message == Unknown(type="new", product_id="A-B", sequence=expected)


@pytest.mark.parametrize(("sequence", "expected"), [('"7"', 7), ("7", 7), ('"x"', None), ('"%s"' % ("9" * 40), None)])
def test_unknown_array_has_its_sequence(sequence: str, expected: int | None) -> None:
    decoder = ExchangeDecoder()
    decoder.decode(b'{"type":"level3","schema":{"new":["type","product_id","sequence"]}}')
    message = decoder.decode(b'["new","A-B",%b]' % sequence.encode())
    assert message == Unknown(type="new", product_id="A-B", sequence=expected, level3=True)


def test_array_without_a_schema_is_malformed() -> None:
    result = ExchangeDecoder().decode(b'["noop","BTC-USD","1","2023-03-28T23:24:03.185394Z"]')
    assert isinstance(result, Malformed)
    assert "schema" in result.reason


def test_unknown_type_keeps_its_content() -> None:
    raw = b'{"type":"rainbow","product_id":"BTC-USD","colours":["red"]}'
    message = ExchangeDecoder().decode(raw)
    assert isinstance(message, Unknown)
    stamp(message, Origin(raw, 0, 0))
    assert message.type == "rainbow"
    assert message.product_id == "BTC-USD"
    assert message.content["colours"] == ["red"]


MATCH = next(frame for frame, kind, _ in VECTORS if kind is m.Match)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "not JSON"),
        (b"nonsense", "not JSON"),
        (b"\x00\x01", "not JSON"),
        (MATCH[:-1].encode(), "not JSON"),
        (MATCH.encode() + b"x", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (MATCH.encode().replace(b"BTC", b"\xff\xfe"), "not JSON"),
        (b'{"x":"\xff",' + MATCH[1:].encode(), "not JSON"),
        (b"5", "wrong shape"),
        (b"null", "wrong shape"),
        (b"[]", "wrong shape"),
        (b"{}", "wrong shape"),
        (b'{"type":7}', "wrong shape"),
        (b'{"type":"match"}', "wrong shape: Object missing required field"),
        (MATCH.replace('"80691.53"', "null").encode(), "at `$.price`"),
        (MATCH.replace("80691.53", "0.-10000").encode(), "at `$.price`"),
        (MATCH.replace("80691.53", "NaN").encode(), "finite"),
        (MATCH.replace("80691.53", "Infinity").encode(), "finite"),
        (MATCH.replace('"sell"', '"both"').encode(), "at `$.side`"),
        (MATCH.replace("335Z", "335").encode(), "timezone"),
        (MATCH[:-1].encode() + b',"_origin":{"raw":"","received_ns":1,"epoch":9}}', "_origin"),
        (b'{"type":"level3"}', "wrong shape"),
        (b'{"type":"activate","product_id":"A-B","order_id":"o","timestamp":"NaN"}', "Unix seconds"),
        (b'{"type":"activate","product_id":"A-B","order_id":"o","timestamp":"1e30"}', "Unix seconds"),
    ],
)
def test_invalid_frame_is_malformed_with_a_reason(frame: bytes, reason: str) -> None:
    result = ExchangeDecoder().decode(frame)
    assert isinstance(result, Malformed)
    assert result.raw == frame
    assert reason in result.reason


TICKER = {"type": "ticker", "product_id": "A-B", "price": "1.00"}
CHANGE = {"type": "change", "order_id": "o", "reason": "modify_order", "new_size": "1"}
SNAPSHOT = {"type": "snapshot", "product_id": "A-B", "bids": [["9", "1"]], "asks": [["10", "1"]]}


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (TICKER, m.ExchangeTicker(product_id="A-B", price=Decimal("1.00"))),
        (TICKER | {"side": ""}, m.ExchangeTicker(product_id="A-B", price=Decimal("1.00"))),
        (
            TICKER | {"side": "", "time": "", "trade_id": None, "last_size": "", "sequence": None, "best_bid": "0"},
            m.ExchangeTicker(product_id="A-B", price=Decimal("1.00"), best_bid=Decimal(0)),
        ),
        (CHANGE, m.Change(order_id="o", reason="modify_order", new_size=Decimal(1))),
        (
            CHANGE | {"side": "buy", "price": ""},
            m.Change(order_id="o", side="buy", reason="modify_order", new_size=Decimal(1)),
        ),
        (SNAPSHOT | {"asks": None}, m.Snapshot(product_id="A-B", bids=((Decimal(9), Decimal(1)),), asks=())),
        (SNAPSHOT | {"asks": [None]}, m.Snapshot(product_id="A-B", bids=((Decimal(9), Decimal(1)),), asks=())),
        (
            SNAPSHOT | {"asks": [["10", None], ["11", "2"]], "bids": []},
            m.Snapshot(product_id="A-B", bids=(), asks=((Decimal(11), Decimal(2)),)),
        ),
    ],
)
def test_absent_fields_are_none(frame: dict[str, Any], expected: Message) -> None:
    assert ExchangeDecoder().decode(json.dumps(frame).encode()) == expected


def test_quote_s_trade_may_have_its_side_in_upper_case() -> None:
    frame = next(frame for frame, kind, _ in VECTORS if kind is m.RfqMatch)
    message = ExchangeDecoder().decode(frame.replace('"sell"', '"SELL"').encode())
    assert isinstance(message, m.RfqMatch)
    assert message.side == "sell"


@pytest.mark.parametrize(
    ("frame", "named"),
    [
        (MATCH.replace('"sell"', '""').encode(), ("BTC-USD", "match")),
        (MATCH.replace('"sell"', '"both"').encode(), ("BTC-USD", "match")),
        (b'{"type":"snapshot","product_id":"A-B","bids":[["1","-1"]],"asks":[]}', ("A-B", "snapshot")),
        (b'{"type":"l2update","product_id":"A-B","changes":[null]}', ("A-B", "l2update")),
        (b'{"type":"status","products":5}', (None, "status")),
        (b'{"type":7,"product_id":"A-B"}', ("A-B", None)),
        (b'{"type":["match"],"product_id":["A-B"]}', (None, None)),
        (b'{"type":"match","product_id":"%b"}' % (b"x" * 65), (None, "match")),
        (b'["open","A-B","1"]', ("A-B", "open")),
        (b'{"type":"match","product_id":"A-B","x":"\xff"}', ("A-B", "match")),
        (b'{"type":"match","product_id":"A-B","x":' + b"[" * 100_000, ("A-B", "match")),
        (b'{"type":"match","product_id":"A-B","x":', (None, None)),
        (b"nonsense", (None, None)),
        (b"[[]]", (None, None)),
    ],
)
def test_malformed_frame_names_its_product_and_type(frame: bytes, named: tuple[str | None, str | None]) -> None:
    result = ExchangeDecoder().decode(frame)
    assert isinstance(result, Malformed)
    assert (result.product_id, result.type) == named


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FRAMES = (
    st.binary(max_size=80)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.tuples(st.sampled_from([frame for frame, _, _ in VECTORS]), st.integers(0, 600), st.binary(max_size=3)).map(
        lambda damage: damage[0].encode()[: damage[1]] + damage[2] + damage[0].encode()[damage[1] + len(damage[2]) :]
    )
)


@given(FRAMES)
def test_decoding_any_bytes_does_not_raise(frame: bytes) -> None:
    result = ExchangeDecoder().decode(frame)
    assert isinstance(result, Message | Malformed)
    if isinstance(result, Message):
        stamp(result, Origin(frame, 0, 0))
        assert isinstance(result.content, dict | list)
