"""The numbers that a message may have; each is checked once, when the message is made.

Rules:
- A number is finite and has at most 40 digits, without zeros at its end. Its first digit is between 10**-40 and 10**40.
  So sums and products of a few numbers are exact in `rxfeed.core.numbers.EXACT`, and a number without an exponent has
  at most as many characters as in the frame, or about 120.
- A size is not below zero.
- A price may be below zero, because exchanges list spreads with negative prices. (Signals skip such prices.)
- A count (sequence, trade id) is from 0 to 2**63 - 1.
"""

from __future__ import annotations

from decimal import Clamped, Context, Decimal, Inexact, InvalidOperation, Overflow, Subnormal

DIGITS = 40
"""The most digits of a number, and the largest exponent of ten of its first digit, in both directions."""
ZERO = Decimal(0)

fits = Context(
    prec=DIGITS,
    Emin=-DIGITS,
    Emax=DIGITS,
    traps=[Clamped, Inexact, InvalidOperation, Overflow, Subnormal],
).plus
"""The number itself, in one call of C; raises `ArithmeticError` if it has too many digits, or is too large or small.

NaN and Infinity pass, a signalling NaN does not."""

TOO_LONG = f"a number has more than {DIGITS} digits, or an exponent beyond {DIGITS}"
NOT_FINITE = "a number is not finite"
NEGATIVE = "a size is below zero"


def check(*numbers: Decimal | None) -> None:
    """Raise `ValueError` unless all *numbers* are finite and have few enough digits; `None` is skipped."""
    try:
        for number in numbers:
            if number is not None and not fits(number).is_finite():
                raise ValueError(NOT_FINITE)
    except ArithmeticError:
        raise ValueError(TOO_LONG) from None


def check_sizes(*sizes: Decimal | None) -> None:
    """As `check`, and raise `ValueError` if one is below zero."""
    check(*sizes)
    for size in sizes:
        if size is not None and size < ZERO:
            raise ValueError(NEGATIVE)
