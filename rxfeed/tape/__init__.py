"""A tape: the messages of feeds in a stream of NATS JetStream, which any number of processes play as a feed."""

from rxfeed.tape.nats_feed import NatsFeed
from rxfeed.tape.results import TapeStats, TapeWrite, UnpublishedCounts
from rxfeed.tape.sink import TapeSink, to_nats

__all__ = ["NatsFeed", "TapeSink", "TapeStats", "TapeWrite", "UnpublishedCounts", "to_nats"]
