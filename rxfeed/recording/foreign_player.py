"""Plays recordings without events and epochs, which are found as a feed finds them."""

from __future__ import annotations

import time

from rxfeed.feed import Connected, Subscribed
from rxfeed.market import Malformed, Subscriptions
from rxfeed.recording.item_player import ItemPlayer
from rxfeed.recording.reading import Recording
from rxfeed.recording.timestamps import moment_of


def play_foreign(items: ItemPlayer, recording: Recording) -> None:
    """Play *recording*, which has no epochs."""
    streams, continuity, dispatcher = items.streams, items.continuity, items.dispatcher
    if items.highest >= 0:
        continuity.reconnected(items.base)
    first, plain = True, recording.kind == "plain"
    if plain:  # a plain frame has no receipt time, but it was received before now
        continuity.received(time.time_ns())
    items.first = 0
    for items.index, (ns, raw) in enumerate(recording.frames()):
        if not plain:
            continuity.received(ns)
        message = items.decode(raw)
        if isinstance(message, Subscriptions):
            continuity.watch(
                (channel.name, product) for channel in message.channels for product in channel.product_ids or (None,)
            )
        due = items.several_due(message, ns) if isinstance(message, tuple) else items.reached(ns, message.product_id)
        if not due:
            if dispatcher.stopping:
                return
            continue
        if first:
            first = False
            items.status(Connected(url=recording.path, at=moment_of(ns)))
        if isinstance(message, Malformed):
            dispatcher.report_malformed(message, ns)
        elif isinstance(message, tuple):
            dispatcher.frames_of_several(message, raw, ns)
        elif dispatcher.is_fresh_frame(message, raw, ns):
            if isinstance(message, Subscriptions):
                streams.report(Subscribed(channels=message.channels, at=moment_of(ns)))
            dispatcher.deliver_recorded(message, raw, ns, continuity.epoch_of(message))
        items.highest = continuity.highest
        if dispatcher.stopping:
            return
