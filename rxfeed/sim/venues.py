"""The venues that the local exchange can be."""

from __future__ import annotations

from rxfeed.core import arguments
from rxfeed.sim import coinbase_advanced, coinbase_exchange
from rxfeed.sim.venue import SimulatedVenue

SIMULATED: dict[str, SimulatedVenue] = {each.VENUE.name: each.VENUE for each in (coinbase_exchange, coinbase_advanced)}


def simulated_venue(name: object) -> SimulatedVenue:
    """The venue of that name, or of an object's `name`; raises `ConfigError`."""
    name = getattr(name, "name", name)
    arguments.one_of("venue", name, tuple(SIMULATED))
    return SIMULATED[str(name)]
