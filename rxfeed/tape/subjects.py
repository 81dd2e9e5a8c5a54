"""The subjects of a tape: `<stream>.<venue>.<channel>.<product>`.

Rules:
- The channel is the first of the venue's table that has messages of the type, so that all publishers have the same
  subject for a message, whatever they are subscribed to. A channel of one account is taken only if no other has them.
- The product is the message's; `_` for a message without a product, and for a frame with messages of several.
- What a connection reports (status, pongs, malformed frames) is on `<stream>.<venue>._events.<publisher>`, and what a
  publisher reports of itself on `<stream>.<venue>._publisher.<publisher>`.
- Characters other than letters, digits, `-` and `_` are `%` and two hexadecimal digits for each byte, so that every
  text is one token of a subject, and can be read back. `_` as a whole product is `%5F`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

from rxfeed.market import Message
from rxfeed.venues import Venue

SEVERAL = "_"
EVENTS = "_events"
PUBLISHER = "_publisher"
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


def escaped(text: str) -> str:
    """*text* as one token of a subject.

    >>> from rxfeed.tape.subjects import escaped
    >>> escaped("BTC-USD"), escaped("a.b c*"), escaped("_")
    ('BTC-USD', 'a%2Eb%20c%2A', '%5F')
    """
    if text == SEVERAL:
        return "%5F"
    if _PLAIN.fullmatch(text):
        return text
    return "".join(each if _PLAIN.fullmatch(each) else _hexadecimal(each) for each in text) or "%"


def _hexadecimal(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def unescaped(token: str) -> str:
    """The text of a *token*.

    >>> from rxfeed.tape.subjects import unescaped
    >>> unescaped("a%2Eb%20c%2A"), unescaped("%5F")
    ('a.b c*', '_')
    """
    return "" if token == "%" else unquote(token, errors="surrogatepass")


class Subjects:
    """The subjects of the tape *stream* for one venue."""

    def __init__(self, stream: str, venue: Venue) -> None:
        self._venue = venue
        self.prefix = f"{stream}.{escaped(venue.name)}"
        self._channels: dict[type[Message], str] = {}
        self._known: dict[tuple[type[Message], str | None], str] = {}

    def of(self, kind: type[Message], product_id: str | None) -> str:
        """The subject of a message of *kind* and product; `None`: without a product, or a frame with several."""
        known = self._known.get((kind, product_id))
        if known is None:
            product = SEVERAL if product_id is None else escaped(product_id)
            known = self._known[kind, product_id] = f"{self.prefix}.{self.channel(kind)}.{product}"
        return known

    def channel(self, kind: type[Message]) -> str:
        """The token of the channel for messages of *kind*; `_` for a type of no channel."""
        found = self._channels.get(kind)
        if found is None:
            having = [each for each in self._venue.channels if kind in each.types]
            public = [each for each in having if not each.account] or having
            found = self._channels[kind] = escaped(public[0].name) if public else SEVERAL
        return found

    def events(self, publisher: str) -> str:
        return f"{self.prefix}.{EVENTS}.{escaped(publisher)}"

    def publisher(self, publisher: str) -> str:
        return f"{self.prefix}.{PUBLISHER}.{escaped(publisher)}"

    def filters(self, products: Iterable[str] | None, channels: Iterable[str] | None) -> list[str]:
        """What to subscribe to for *products* and *channels* (`None`: all), and the events of the publishers."""
        if products is None and channels is None:
            return [f"{self.prefix}.>"]
        tokens, named = ["*"], ["*"]
        if channels is not None:
            kinds = {kind for channel in channels for kind in self._venue.types_of(channel)}
            tokens = sorted({self.channel(kind) for kind in kinds} | {SEVERAL, EVENTS, PUBLISHER})
        if products is not None:
            named = sorted({escaped(product) for product in products} | {SEVERAL})
        chosen = [f"{self.prefix}.{token}.{product}" for token in tokens for product in named]
        if products is not None:  # those subjects have the name of a publisher in the place of a product
            chosen = [each for each in chosen if each.split(".")[2] not in (EVENTS, PUBLISHER)]
            chosen += [f"{self.prefix}.{EVENTS}.*", f"{self.prefix}.{PUBLISHER}.*"]
        return chosen
