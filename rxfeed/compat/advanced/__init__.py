"""Coinbase Advanced Trade for the classic clients: channels, messages and REST calls in the classic's shapes."""

from rxfeed.compat.advanced.names import aliases_of
from rxfeed.compat.advanced.plan import Plan
from rxfeed.compat.advanced.rest import AdvancedCalls
from rxfeed.compat.advanced.translator import Translator

__all__ = ["AdvancedCalls", "Plan", "Translator", "aliases_of"]
