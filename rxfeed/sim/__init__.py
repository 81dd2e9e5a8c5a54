"""A local exchange: a real WebSocket server that makes markets and plays recordings."""

from rxfeed.sim.clients import Ledger
from rxfeed.sim.exchange import Exchange

__all__ = ["Exchange", "Ledger"]
