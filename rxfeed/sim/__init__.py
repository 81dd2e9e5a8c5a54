"""A local exchange: a real WebSocket server that makes markets, plays recordings, and fails on demand."""

from rxfeed.sim import faults
from rxfeed.sim.exchange import Exchange
from rxfeed.sim.ledger import Fired, FrameId, Ledger

__all__ = ["Exchange", "Fired", "FrameId", "Ledger", "faults"]
