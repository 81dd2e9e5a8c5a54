"""A local exchange: a WebSocket server that simulates markets, plays recordings, and injects faults."""

from rxfeed.sim import faults
from rxfeed.sim.coinbase_advanced import KeyPair, key_pair
from rxfeed.sim.exchange import Exchange
from rxfeed.sim.ledger import Fired, FrameId, Ledger

__all__ = ["Exchange", "Fired", "FrameId", "KeyPair", "Ledger", "faults", "key_pair"]
