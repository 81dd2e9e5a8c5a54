"""A wrong argument or operator is named, with its place and the remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import reactivex
from reactivex import Observable
from reactivex import operators as ops

from rxfeed import (
    ConfigError,
    Replay,
    by_product,
    candles,
    fold,
    full_book,
    lift,
    matches,
    moved,
    order_book,
    price_crossing,
    spread_wider,
    tick_bars,
    to_dataframe,
    to_frames,
    to_records,
    trade_imbalance,
    window_volume,
)
from rxfeed.core import TumblingVolume
from tests.support.collect import Collected
from tests.support.make import match


class Machine:
    def step(self, item: Any) -> tuple[Any, ...]:
        return (item,)

    def finish(self) -> tuple[Any, ...]:
        return ()


def source() -> Replay:
    return Replay([match(time=0), match(time=61)])


def test_lift_of_a_machine_names_its_class() -> None:
    with pytest.raises(ConfigError, match=r"give the class, lift\(Machine\)"):
        lift(Machine())  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_lift_of_something_else_names_its_type() -> None:
    with pytest.raises(ConfigError, match=r"lift: 5 is a int: give a class, or a function"):
        lift(5)  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_lift_of_a_wrong_factory_names_what_it_returned() -> None:
    def forgot() -> Any:
        return None

    got = Collected(reactivex.of(1).pipe(lift(forgot)))
    assert "forgot returned None" in str(got.error)
    assert "step(item) and finish()" in str(got.error)


def test_machine_in_a_pipe_names_lift() -> None:
    for piped in (source(), source().pipe(matches())):
        with pytest.raises(ConfigError, match=r"pipe: .*is a machine: pipe lift\(\.\.\.\) of its class"):
            piped.pipe(Machine())  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_operator_that_was_not_called_is_named() -> None:
    with pytest.raises(ConfigError, match=r"call the operator: matches\(\)"):
        source().pipe(matches)  # pyright: ignore[reportArgumentType, reportCallIssue]


OPERATORS: dict[str, Callable[[], Any]] = {
    "price_crossing": lambda: price_crossing("BTC-USD", 10),
    "moved": lambda: moved(1, 60),
    "spread_wider": lambda: spread_wider(1),
    "window_volume": lambda: window_volume(60),
    "candles": lambda: candles(60),
    "trade_imbalance": lambda: trade_imbalance(),
    "tick_bars": lambda: tick_bars(2),
    "order_book": lambda: order_book("BTC-USD"),
    "full_book": lambda: full_book("BTC-USD", lambda product: b""),
    "matches": lambda: matches(),
}


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("piped", [source(), source().pipe(ops.filter(lambda m: True)), reactivex.of(match())])
def test_operator_of_messages_after_candles_is_rejected(name: str, piped: Observable[Any]) -> None:
    """Without the check, some raise an unclear error, and others emit nothing."""
    with pytest.raises(ConfigError, match=rf"{name} after candles: .*feed\.pipe\({name}\(\.\.\.\)\)"):
        piped.pipe(candles(60), OPERATORS[name]())
    with pytest.raises(ConfigError, match=f"{name} after candles"):
        piped.pipe(candles(60)).pipe(by_product(OPERATORS[name]()))


@pytest.mark.parametrize("name", ["price_crossing", "moved", "spread_wider"])
def test_signals_take_the_views_of_a_book(name: str) -> None:
    source().pipe(order_book("BTC-USD"), OPERATORS[name]())
    source().pipe(full_book("BTC-USD", lambda product: b"")).pipe(OPERATORS[name]())


def test_windows_after_a_book_are_rejected() -> None:
    with pytest.raises(ConfigError, match="window_volume after order_book"):
        source().pipe(order_book("BTC-USD"), window_volume(60))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("given", [5, {"product_id": "BTC-USD"}, "text"])
def test_signal_names_the_item_that_has_no_price(given: Any) -> None:
    got = Collected(reactivex.of(given).pipe(ops.map(lambda item: item), price_crossing("BTC-USD", 10)))
    assert isinstance(got.error, ConfigError)
    assert f"price_crossing received a {type(given).__name__} {given!r}" in str(got.error)
    assert isinstance(got.error.__cause__, AttributeError)


@pytest.mark.parametrize("name", ["window_volume", "candles", "trade_imbalance", "tick_bars", "order_book"])
@pytest.mark.parametrize("part", [lambda m: m.price, lambda m: m.content])
def test_operator_of_messages_names_a_first_item_that_is_none(name: str, part: Callable[[Any], Any]) -> None:
    """They passed such items over, and emitted nothing, without a word."""
    got = Collected(reactivex.of(match()).pipe(ops.map(part), OPERATORS[name]()))
    assert isinstance(got.error, ConfigError)
    assert f"{name} received a {type(part(match())).__name__}" in str(got.error)


def test_error_of_a_machine_is_its_own() -> None:
    """Only for operators of rxfeed an item of another shape is explained."""

    class Broken(Machine):
        def step(self, item: Any) -> tuple[Any, ...]:
            return item.no_such_field

    assert isinstance(Collected(reactivex.of(5).pipe(lift(Broken))).error, AttributeError)


def test_class_in_fold_is_named() -> None:
    with pytest.raises(ConfigError, match=r"fold\(TumblingVolume\(\.\.\.\), items\)"):
        fold(TumblingVolume, [match()])  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("table", [to_dataframe, to_records])
@pytest.mark.parametrize("stream", [reactivex.of(match()), source(), source().pipe(matches()), source().status])
def test_table_of_a_stream_names_to_frames(table: Callable[[Any], Any], stream: Any) -> None:
    """Python iterates over an Observable by index, and each index makes another one, without end."""
    with pytest.raises(ConfigError, match="pipe it into to_frames"):
        table(stream)


@pytest.mark.parametrize("table", [to_dataframe, to_records])
@pytest.mark.parametrize("given", [match(), {"a": 1}, "text", 5])
def test_table_of_a_single_item_names_a_list(table: Callable[[Any], Any], given: Any) -> None:
    with pytest.raises(ConfigError, match=f"a {type(given).__name__} is not a list of items"):
        table(given)


def test_fold_of_a_stream_names_lift() -> None:
    with pytest.raises(ConfigError, match="pipe it into lift"):
        fold(TumblingVolume(60), source())  # pyright: ignore[reportArgumentType]


def test_set_into_frames_is_named_with_what_goes_into_them() -> None:
    with pytest.raises(ConfigError, match=r"a set is not a window.*NamedTuples, dataclasses"):
        to_dataframe([{"a"}])

    source_of = Replay([match()])
    got = Collected(source_of.pipe(ops.map(lambda message: set(message.content)), to_frames(1)))
    source_of.run()
    assert "a set is not a window" in str(got.error)
