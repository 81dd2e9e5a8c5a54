"""Which numbers a message may hold. Each is checked once, when the message is made.

Rules:
- A number is finite and has at most 40 digits, zeros at its end aside. The first one stands between 10**-40 and 10**40.
  So sums and products of a few of them are exact in `rxfeed.core.numbers.EXACT`, and to write one out without an
  exponent takes no more characters than the frame had, or some 120.
- A size is not below zero.
- A price may be below zero: exchanges list spreads whose prices are. (Signals pass over such prices.)
- A count (sequence, trade id) is from 0 to 2**63 - 1.
"""

from __future__ import annotations

from decimal import Clamped, Context, Decimal, Inexact, InvalidOperation, Overflow, Subnormal

DIGITS = 40
"""The most digits of a number, and the farthest power of ten that its first digit may stand at."""
ZERO = Decimal(0)

fits = Context(
    prec=DIGITS,
    Emin=-DIGITS,
    Emax=DIGITS,
    traps=[Clamped, Inexact, InvalidOperation, Overflow, Subnormal],
).plus
"""The number itself, in one call of C; `ArithmeticError` where it has too many digits or is too large or small.

NaN and Infinity pass, a signalling NaN does not."""

TOO_LONG = f"a number has more than {DIGITS} digits, or an exponent beyond {DIGITS}"
NOT_FINITE = "a number is not finite"
NEGATIVE = "a size is below zero"


def check(*numbers: Decimal | None) -> None:
    """Raise `ValueError` unless all *numbers* are finite and have few enough digits; `None` is passed over."""
    try:
        for number in numbers:
            if number is not None and not fits(number).is_finite():
                raise ValueError(NOT_FINITE)
    except ArithmeticError:
        raise ValueError(TOO_LONG) from None


def check_sizes(*sizes: Decimal | None) -> None:
    """`check`, and raise `ValueError` where one is below zero."""
    check(*sizes)
    for size in sizes:
        if size is not None and size < ZERO:
            raise ValueError(NEGATIVE)
