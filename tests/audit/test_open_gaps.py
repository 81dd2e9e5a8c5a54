"""Which gaps are requested together, and what becomes of them if an answer does not fit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rxfeed.audit.fetching import PastTrades
from rxfeed.audit.open_gaps import OpenGap, fetched_gaps
from rxfeed.audit.proof import Hole, LinePlace
from rxfeed.errors import ConnectFailed, FrameMalformed
from rxfeed.market import Trade
from tests.support.make import match
from tests.support.segments import NS

BTC, ETH = "BTC-USD", "ETH-USD"
PAGE = 100


class Exchange(PastTrades):
    """Has all trades; *refused*: ids of which a request fails with *error*."""

    def __init__(self, refused: range = range(0), error: Exception | None = None) -> None:
        self.most_trades = PAGE
        self.asked: list[tuple[str, int, int]] = []
        self._refused, self._error = refused, error

    def fetch(self, product: str, first: int, last: int, before_ns: int) -> dict[int, Trade]:
        self.asked.append((product, first, last))
        if self._error is not None and any(number in self._refused for number in range(first, last + 1)):
            raise self._error
        return {number: match(trade_id=number) for number in range(first, last + 1)}


def gap(first: int, last: int, product: str = BTC) -> OpenGap:
    return OpenGap(product, [Hole(first, last, NS, LinePlace(0, last, "5f0c2b7a", 1, NS))])


def test_gaps_of_one_product_within_a_page_are_one_request() -> None:
    client = Exchange()
    gaps = [gap(5, 6), gap(50, 50), gap(104, 104), gap(105, 300), gap(301, 301), gap(310, 311, ETH), gap(5, 5, ETH)]
    found = [*fetched_gaps(gaps, client)]
    assert client.asked == [(BTC, 5, 104), (BTC, 105, 300), (BTC, 301, 301), (ETH, 310, 311), (ETH, 5, 5)]
    assert [each for each, _ in found] == gaps


def test_gap_is_requested_alone_if_the_answer_for_several_does_not_fit() -> None:
    client = Exchange(range(50, 51), FrameMalformed("not a list of trades"))
    gaps = [gap(5, 6), gap(50, 50), gap(60, 60)]
    found = [fetched if isinstance(fetched, str) else [*fetched] for _, fetched in fetched_gaps(gaps, client)]
    assert client.asked == [(BTC, 5, 60), (BTC, 5, 6), (BTC, 50, 50), (BTC, 60, 60)]
    assert found == [[5, 6], "not a list of trades", [60]]


def test_exchange_that_does_not_answer_is_not_asked_for_each_gap() -> None:
    client = Exchange(range(50, 51), ConnectFailed("no answer"))
    assert [fetched for _, fetched in fetched_gaps([gap(5, 6), gap(50, 50)], client)] == ["no answer"] * 2
    assert client.asked == [(BTC, 5, 50)]


def test_gap_that_is_too_large_is_not_requested() -> None:
    client = Exchange()
    ((_, fetched),) = fetched_gaps([gap(5, 1_000_005)], client)
    assert fetched == "it has over 1,000,000 trades, which is hardly a gap"
    assert client.asked == []


@given(st.lists(st.tuples(st.sampled_from([BTC, ETH]), st.integers(1, 400), st.integers(0, 150)), max_size=20))
def test_each_gap_gets_its_trades_and_no_page_is_larger_than_it_has_to_be(gaps: list[tuple[str, int, int]]) -> None:
    client = Exchange()
    made = [gap(first, first + more, product) for product, first, more in gaps]
    for each, fetched in fetched_gaps(made, client):
        assert not isinstance(fetched, str)
        assert fetched.keys() >= {*range(each.first, each.last + 1)}
    single = {(each.product, each.first, each.last) for each in made}
    assert all(last - first < PAGE or (product, first, last) in single for product, first, last in client.asked)
