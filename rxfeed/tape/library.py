"""The optional nats-py, which only tapes need."""

from __future__ import annotations

from types import ModuleType

from rxfeed.errors import needs_extra


def nats_py() -> ModuleType:
    """The module `nats`; raises `ExtraMissing` if it is not installed."""
    with needs_extra("nats", "a tape"):
        import nats
        import nats.js.api
        import nats.js.errors
    return nats
