"""Arrays of exact decimals, or of floats, from texts and from `Decimal`s, and of times."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from rxfeed.archive.arrow import Arrow, pyarrow
from rxfeed.core import EXACT, arguments
from rxfeed.errors import ConfigError

DIGITS = 38
"""The digits of an exact number."""
SCALE = 12
"""Decimal places: more than the venues have, and so few that a database can multiply two numbers in 38 digits."""
_MOST_PLACES = 24
"""Decimal places of a product of a price and a size, which has those of both."""
_LONGEST = 48
_BELOW = 1 - 1e-12  # of a float that is not exact
_MOST = (1 << 63) - 1
# The times that 64 bits of nanoseconds can represent.
_FIRST, _LAST = datetime(1678, 1, 1, tzinfo=UTC), datetime(2262, 1, 1, tzinfo=UTC)


class NotExact(ValueError):
    """Texts that have to be decoded one by one: one of them is no number, or has too many digits."""


class Numbers(msgspec.Struct, frozen=True):
    """How prices and sizes are stored: as decimals with *scale* places, or as *floats*."""

    floats: bool = False
    scale: int = SCALE

    def __post_init__(self) -> None:
        arguments.integer("scale", self.scale, 0, DIGITS - 6)

    def kind(self, *, product: bool = False) -> Arrow:
        """The Arrow type; *product*: of a product of a price and a size."""
        arrow = pyarrow()
        if self.floats:
            return arrow.float64()
        return arrow.decimal128(DIGITS, max(self.scale, min(2 * self.scale, _MOST_PLACES)) if product else self.scale)

    def of_texts(self, texts: Sequence[str | None], *, sizes: bool = False) -> Arrow:
        """An array of *texts*, as they are on the wire; raises `NotExact`. *sizes*: none is below zero."""
        arrow = pyarrow()
        try:
            strings = arrow.array(texts, arrow.string())
            made = _cast(strings, self.kind())
        except arrow.ArrowInvalid as error:
            raise NotExact(str(error)) from None
        compute = arrow.compute
        if self.floats:  # a decimal cannot be so
            if (compute.max(compute.binary_length(strings)).as_py() or 0) > _LONGEST:
                raise NotExact("a number has too many digits")
            if compute.all(compute.is_finite(made)).as_py() is False:
                raise NotExact("a number is not finite")
        if sizes:
            least = compute.min(made).as_py()
            if least is not None and least < 0:
                raise NotExact("a size is below zero")
        return made

    def of(self, numbers: Sequence[Decimal | None], name: str, *, product: bool = False) -> Arrow:
        """An array of *numbers*, which are exact; raises `ConfigError` for one with too many digits."""
        arrow = pyarrow()
        if self.floats:
            return arrow.array([None if number is None else float(number) for number in numbers], arrow.float64())
        kind = self.kind(product=product)
        try:
            return _cast(arrow.array([None if each is None else str(each) for each in numbers], arrow.string()), kind)
        except arrow.ArrowInvalid:
            return arrow.concat_arrays([self._exact(each, name, kind) for each in numbers])

    def _exact(self, number: Decimal | None, name: str, kind: Arrow) -> Arrow:
        """An array of *number* alone."""
        arrow = pyarrow()
        text = None if number is None else format(number, "f")
        if text is not None and "." in text:
            text = text.rstrip("0")
        try:
            return _cast(arrow.array([text], arrow.string()), kind)
        except arrow.ArrowInvalid:
            raise ConfigError(
                f"scale: the {name} {number} does not fit into {kind.precision} digits with {kind.scale} decimal "
                "places: export into a new folder with another scale, or with floats"
            ) from None


def _cast(strings: Arrow, kind: Arrow) -> Arrow:
    """*strings* as numbers of *kind*; raises `ArrowInvalid` if one does not fit.

    Arrow detects too many decimal places, but not every overflow of the 128 bits.
    """
    arrow = pyarrow()
    made = strings.cast(kind)
    if arrow.types.is_decimal(kind) and _may_be_large(strings, kind.precision - kind.scale):
        bounds = arrow.compute.min_max(strings.cast(arrow.float64())).as_py()
        most = 10.0 ** (kind.precision - kind.scale) * _BELOW
        if bounds["min"] is not None and not -most < bounds["min"] <= bounds["max"] < most:
            raise arrow.ArrowInvalid("a number is too large")
    return made


def _may_be_large(strings: Arrow, digits: int) -> bool:
    """False if it is certain, at little cost, that no number has more than so many digits before the point."""
    buffer = strings.buffers()[2]
    text = b"" if buffer is None else buffer.to_pybytes()
    longest = pyarrow().compute.max(pyarrow().compute.binary_length(strings)).as_py() or 0
    return longest > digits or b"E" in text or b"e" in text


def unscaled(numbers: Arrow) -> list[int]:
    """The values of *numbers*, decimals or times without a null, as whole numbers of their last place."""
    found: list[int] = []
    for array in numbers.chunks:
        words = array.buffers()[1]
        width = 2 if pyarrow().types.is_decimal(array.type) else 1
        values = memoryview(words).cast("q")[width * array.offset : width * (array.offset + len(array))]
        low = values[::width].tolist()
        if width == 2 and (sys.byteorder != "little" or min(low, default=0) < 0 or any(values[1::2].tolist())):
            low = [int(number.scaleb(array.type.scale, EXACT)) for number in array.to_pylist()]
        found += low
    return found


def times(moments: Sequence[datetime | None]) -> Arrow:
    """An array of *moments*, in nanoseconds; one that 64 bits cannot represent is null."""
    arrow = pyarrow()
    kind, exact = arrow.timestamp("us", "UTC"), arrow.timestamp("ns", "UTC")
    try:
        return arrow.array(moments, kind).cast(exact)
    except arrow.ArrowInvalid:
        within = [each if each is not None and _FIRST <= each < _LAST else None for each in moments]
        return arrow.array(within, kind).cast(exact)


def times_of_texts(texts: Sequence[str | None]) -> Arrow:
    """An array of the times in *texts*; raises `NotExact`, also for a time finer than a message has."""
    arrow = pyarrow()
    try:
        made = arrow.array(texts, arrow.string()).cast(arrow.timestamp("ns", "UTC"))
        made.cast(arrow.timestamp("us", "UTC"))
    except arrow.ArrowInvalid as error:
        raise NotExact(str(error)) from None
    return made


def receipts(ns: Sequence[int]) -> Arrow:
    """An array of receipt times, in nanoseconds; null for 0 and for what 64 bits cannot represent."""
    arrow = pyarrow()
    kind = arrow.timestamp("ns", "UTC")
    try:
        made = arrow.array(ns, arrow.int64())
    except OverflowError:
        made = arrow.array([each if abs(each) <= _MOST else 0 for each in ns], arrow.int64())
    known = arrow.compute.not_equal(made, 0)
    if not arrow.compute.all(known).as_py():
        made = arrow.compute.if_else(known, made, None)
    return made.cast(kind)
