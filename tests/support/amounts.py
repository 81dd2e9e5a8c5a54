"""How much a test does, where more finds more."""

from __future__ import annotations

import os

THOROUGH = bool(os.environ.get("RXFEED_SOAK"))


def amount(usual: int, thorough: int) -> int:
    """*usual*, or *thorough* if `RXFEED_SOAK` is set."""
    return thorough if THOROUGH else usual
