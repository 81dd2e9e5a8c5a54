"""The cost of a message does not depend on the window's length or the products; it is counted in calls, not in time."""

from __future__ import annotations

import pytest

from benchmarks.operators import ALL, BY_LENGTH, calls, stream

COUNT = 8_000
STREAMS = {products: stream(products, COUNT) for products in (1, 30, 1000)}


@pytest.mark.parametrize("name", BY_LENGTH)
def test_cost_does_not_depend_on_the_window_length(name: str) -> None:
    short, longer, longest = (calls(BY_LENGTH[name](seconds), STREAMS[1], 4) for seconds in (1, 60, 86_400))
    assert longer <= short * 1.5
    assert longest <= short * 1.5


@pytest.mark.parametrize("name", ALL)
def test_cost_does_not_depend_on_the_number_of_products(name: str) -> None:
    one, some, many = (calls(ALL[name](), messages, 4 * products) for products, messages in STREAMS.items())
    assert some <= one * 1.5
    assert many <= one * 1.5
