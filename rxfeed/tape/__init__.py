"""A tape: the messages of feeds in a stream of NATS JetStream, which any number of processes play as a feed."""

from rxfeed.tape.connection import TapeAddress
from rxfeed.tape.nats_feed import NatsFeed
from rxfeed.tape.overview import TapeState, tape_state
from rxfeed.tape.reader import Since
from rxfeed.tape.results import TapeStats, TapeWrite, UnpublishedCounts
from rxfeed.tape.shard_run import Study
from rxfeed.tape.sink import TapeSink, to_nats
from rxfeed.tape.worker import Worker

__all__ = [
    "NatsFeed",
    "Since",
    "Study",
    "TapeAddress",
    "TapeSink",
    "TapeState",
    "TapeStats",
    "TapeWrite",
    "UnpublishedCounts",
    "Worker",
    "tape_state",
    "to_nats",
]
