"""A matching engine with price-time priority, for the local exchange and for back-tests."""

from rxfeed.core.matching.engine import EngineOrder, MatchingEngine, RestingOrders
from rxfeed.core.matching.events import (
    SIDES,
    ChangeEvent,
    DoneEvent,
    Event,
    HeartbeatEvent,
    MatchEvent,
    OpenEvent,
    OrderEvent,
    ReceivedEvent,
    Side,
    TickEvent,
)
from rxfeed.core.matching.product import MICROSECONDS, SIZE_UNIT, Product, size_text, time_text

__all__ = [
    "MICROSECONDS",
    "SIDES",
    "SIZE_UNIT",
    "ChangeEvent",
    "DoneEvent",
    "EngineOrder",
    "Event",
    "HeartbeatEvent",
    "MatchEvent",
    "MatchingEngine",
    "OpenEvent",
    "OrderEvent",
    "Product",
    "ReceivedEvent",
    "RestingOrders",
    "Side",
    "TickEvent",
    "size_text",
    "time_text",
]
