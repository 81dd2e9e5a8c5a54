"""A frame of each kind."""

from __future__ import annotations

from rxfeed import Message
from rxfeed.market import Origin, stamp
from rxfeed.venues.coinbase_exchange import ExchangeDecoder

_TRADE = (
    b'"maker_order_id":"m","taker_order_id":"t","side":"sell","size":"1.5","price":"80691.530",'
    b'"product_id":"BTC-USD","sequence":134905860111,"time":"2026-08-25T03:35:57.198335Z"'
)
_ORDER = (
    b'"price":"31572.35","order_id":"o","remaining_size":"1.5","side":"sell","product_id":"BTC-USD",'
    b'"time":"2022-06-01T08:32:21.469151Z","sequence":38292760991'
)
_TIME = b'"time":"2026-08-25T03:35:57.198335Z"'

FRAMES: dict[str, bytes] = {
    "match": b'{"type":"match","trade_id":10,' + _TRADE + b"}",
    "last_match": b'{"type":"last_match","trade_id":9,' + _TRADE + b"}",
    "own match": b'{"type":"match","trade_id":10,"user_id":"u1","taker_fee_rate":"0.005",' + _TRADE + b"}",
    "rfq_match": b'{"type":"rfq_match","trade_id":30,"product_id":"BTC-USD","size":"5.2","price":"400.2","side":"buy",'
    + _TIME
    + b"}",
    "ticker": b'{"type":"ticker","sequence":37475248783,"product_id":"BTC-USD","price":"1285.22","best_bid":"1285.04",'
    b'"side":"buy","trade_id":370843401,"last_size":"1.5",' + _TIME + b"}",
    "heartbeat": b'{"type":"heartbeat","last_trade_id":1100243520,"product_id":"BTC-USD","sequence":136999334560,'
    b'"time":"2026-09-30T02:03:22.000000Z"}',
    "open": b'{"type":"open",' + _ORDER + b"}",
    "own open": b'{"type":"open","user_id":"u1","profile_id":"p",' + _ORDER + b"}",
    "received": b'{"type":"received","order_type":"limit",' + _ORDER + b"}",
    "done": b'{"type":"done","reason":"canceled",' + _ORDER + b"}",
    "change": b'{"type":"change","reason":"STP","old_size":"12.234412","new_size":"1.5",' + _ORDER + b"}",
    "activate": b'{"type":"activate","product_id":"BTC-USD","timestamp":"1483736448.29","order_id":"","size":"1.5"}',
    "auction": b'{"type":"auction","product_id":"BTC-USD","sequence":3262786978,"auction_state":"collection",'
    b'"best_bid_price":"1.5","timestamp":"2015-11-14T20:46:03.511254Z"}',
    "balance": b'{"type":"balance","account_id":"d","currency":"USD","holds":"1.5","available":"0.00","updated":'
    b'"2022-06-01T08:32:21.469152Z","timestamp":"2022-06-01T08:32:21.469153Z"}',
    "snapshot": b'{"type":"snapshot","product_id":"BTC-USD","bids":[["10101.10","0.45054140"]],"asks":[["1E+3","1.5"]],'
    + _TIME
    + b"}",
    "l2update": b'{"type":"l2update","product_id":"BTC-USD","changes":[["buy","1.5","0.00000000"]],' + _TIME + b"}",
    "status": b'{"type":"status","products":[{"id":"A-B","quote_increment":"0.01","status_message":""}],"currencies":'
    b'[{"id":"A","convertible_to":["B"],"supported_networks":[{"id":"n","min_withdrawal_amount":1e-08}]}]}',
    "subscriptions": b'{"type":"subscriptions","channels":[{"name":"ticker","product_ids":["A-B"]}]}',
    "error": b'{"type":"error","message":"no","reason":"why"}',
    "unknown": b'{"type":"rainbow","product_id":"BTC-USD","colours":["red"]}',
}
_SCHEMA = (
    b'{"type":"level3","schema":{"change":["type","product_id","sequence","order_id","price","size","time"],'
    b'"done":["type","product_id","sequence","order_id","time"],"match":["type","product_id","sequence",'
    b'"maker_order_id","taker_order_id","price","size","time"],"noop":["type","product_id","sequence","time"],'
    b'"open":["type","product_id","sequence","order_id","side","price","size","time"]}}'
)
LEVEL3 = [
    _SCHEMA,
    b'["open","BTC-USD","57560479456","12ac","buy","27268.09","0.02","2023-03-28T23:24:03.185394Z"]',
    b'["change","BTC-USD","57560479457","12ac","27268.09","0.03","2023-03-28T23:24:03.185395Z"]',
    b'["match","BTC-USD","57560479458","m","t","27268.09","0.02","2023-03-28T23:24:03.185396Z"]',
    b'["done","BTC-USD","57560479459","12ac","2023-03-28T23:24:03.185397Z"]',
    b'["noop","BTC-USD","57560479460","2023-03-28T23:24:03.185398Z"]',
]


def decode(raw: bytes, received_ns: int, epoch: int = 3, decoder: ExchangeDecoder | None = None) -> Message:
    message = (decoder or ExchangeDecoder()).decode(raw)
    assert isinstance(message, Message), message
    return stamp(message, Origin(raw, received_ns, epoch))
