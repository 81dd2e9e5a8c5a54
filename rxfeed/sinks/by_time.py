"""Reads raw documents in the order of their times.

- A raw document has its time as the exchange sent it: text in `time` or `timestamp`, the last item of a level3 array,
  or Unix seconds as text (`activate`).
- The order of the text is right to the second, but not within a second: `04Z` sorts after `04.5Z`. So the server sorts
  by text, and each second is sorted here, by the digits of its fraction, then by sequence, then by `_id`: several
  messages may have one frame.
- Where a frame has several messages, it names no product itself: the `_id` begins with that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from operator import itemgetter

from rxfeed.sinks.bson_types import Document
from rxfeed.venues import ARRAY_KEY

_KEY = "_rxfeed_time"
_SECOND = 19  # characters of 2026-01-02T03:04:05
_FORMAT = "%Y-%m-%dT%H:%M:%S.%LZ"
# The server cannot format any other date. A document with such a date is read first, and reported by its `_id`.
_DATES = (("$gte", datetime.min), ("$lte", datetime.max))
_Gathered = tuple[tuple[tuple[str, str], int, int, str], Document]
"""The key of the order, and the document."""
_AFTER_ALL = "~"  # sorts after each character of a time


def by_time(product: str | None, since: datetime | None, until: datetime | None) -> list[Document]:
    """An aggregation of raw documents, sorted to the second, within limits of whole seconds."""
    conditions: list[Document] = [{"received_ns": {"$exists": False}}]
    if product is not None:
        of_product = {"$regex": f"^{re.escape(product)}/"}
        conditions.append({"$or": [{"product_id": product}, {"level3.1": product}, {"_id": of_product}]})
    limits: Document = {}
    if since is not None:
        limits["$gte"] = _second(since)
    if until is not None:
        limits["$lte"] = _second(until) + _AFTER_ALL
    if limits:  # an index on `time` serves most of them
        conditions.append({"$or": [{"time": limits}, {"time": {"$not": {"$type": "string"}}}]})
    within = {_KEY: limits} if since is not None else {"$or": [{_KEY: limits}, {_KEY: None}]}
    return [
        {"$match": {"$and": conditions}},
        {"$set": {_KEY: _time_text()}},
        *([{"$match": within}] if limits else []),
        {"$sort": {_KEY: 1, "sequence": 1}},
    ]


def _time_text() -> Document:
    array = {"$cond": [{"$isArray": "$level3"}, {"$arrayElemAt": ["$level3", -1]}, None]}
    unix = {"$toDate": {"$toLong": {"$multiply": [{"$toDecimal": "$$time"}, 1000]}}}
    branches = [
        {
            "case": {
                "$and": [{"$eq": [{"$type": "$$time"}, "date"]}, *({each: ["$$time", at]} for each, at in _DATES)]
            },
            "then": {"$dateToString": {"date": "$$time", "format": _FORMAT}},
        },
        {"case": {"$ne": [{"$type": "$$time"}, "string"]}, "then": None},
        {
            "case": {"$regexMatch": {"input": "$$time", "regex": r"^[0-9]{1,11}(\.[0-9]{1,18})?$"}},
            "then": {"$dateToString": {"date": unix, "format": _FORMAT}},
        },
    ]
    return {
        "$let": {
            "vars": {"time": {"$ifNull": ["$time", {"$ifNull": ["$timestamp", array]}]}},
            "in": {"$switch": {"branches": branches, "default": "$$time"}},
        }
    }


def in_order(documents: Iterable[Document], since: datetime | None, until: datetime | None) -> Iterator[Document]:
    """The documents that `by_time` finds, sorted by all digits, and within the exact limits."""
    first, end = (None if at is None else (_second(at), f"{at.microsecond:06}".rstrip("0")) for at in (since, until))
    second: str | None = None
    gathered: list[_Gathered] = []
    for document in documents:
        text = document.pop(_KEY, None)
        if text is None:
            yield document
            continue
        moment = text[:_SECOND], _fraction(document, text)
        if moment[0] != second:
            yield from _sorted(gathered)
            second, gathered = moment[0], []
        if (first is None or first <= moment) and (end is None or moment < end):
            named = str(document.get("_id"))
            gathered.append(((moment, _sequence(document), len(named), named), document))
    yield from _sorted(gathered)


def _sorted(gathered: list[_Gathered]) -> Iterator[Document]:
    gathered.sort(key=itemgetter(0))
    return (document for _, document in gathered)


def _fraction(document: Document, text: str) -> str:
    """The digits of the fraction, without zeros at the end, so that they sort by value as text."""
    sent = document.get("time") or document.get("timestamp")
    # The server computes milliseconds from Unix seconds; the original text has all digits.
    digits = (sent if isinstance(sent, str) else text).partition(".")[2]
    end = next((place for place, digit in enumerate(digits) if not digit.isdigit()), len(digits))
    return digits[:end].rstrip("0")


def _sequence(document: Document) -> int:
    array = document.get(ARRAY_KEY)
    value = (
        array[2]
        if isinstance(array, list) and len(array) > 2
        else document.get("sequence", document.get("sequence_num"))
    )
    try:
        return int(value)  # pyright: ignore[reportArgumentType]  # of any type: what is no number raises
    except (TypeError, ValueError, OverflowError):
        return 0


def _second(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()[:_SECOND]
