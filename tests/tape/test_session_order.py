"""The order of a session is restored, whatever was refused, sent again, or sent in parts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rxfeed.tape.envelope import TapeEnvelope, TapeItem, item_of
from rxfeed.tape.in_flight import InFlight
from rxfeed.tape.session_order import SessionOrder

SUBJECTS = ["a.b.matches.X", "a.b.matches.Y", "a.b._events.p"]


def sent(flight: InFlight, subject: str, payload: bytes, most: int = 1000) -> list[TapeItem]:
    parts = flight.add(TapeEnvelope(subject, payload.decode(), 1, payload), most)
    return [item_of(0, each.subject, each.headers("v", "s", flight.settled), each.payload) for each in parts]


def played(items: list[TapeItem]) -> list[TapeItem]:
    order = SessionOrder()
    return [each for item in items for each in order.step(item)] + list(order.finish())


@given(st.lists(st.sampled_from(SUBJECTS), max_size=30), st.data())
def test_order_is_restored_after_refusals_and_repetitions(subjects: list[str], data: st.DataObject) -> None:
    """Some messages fail while later ones are stored, and are sent again, with those that have no answer."""
    flight = InFlight("s")
    tape: list[TapeItem] = []
    waiting: list[list[TapeItem]] = []
    published: list[str] = []
    for number, subject in enumerate(subjects):
        (item,) = sent(flight, subject, b"%d" % number)
        published.append(f"{subject} {number}")
        fate = data.draw(st.sampled_from(["stored", "stored", "unanswered", "failed"]))
        if fate != "failed":
            tape.append(item)
        if fate == "stored":
            flight.done(item.number)
        else:
            waiting.append([item])
        if data.draw(st.booleans()) and waiting:
            for again in flight:
                (copy,) = (item_of(0, again.subject, again.headers("v", "s", flight.settled), again.payload),)
                if data.draw(st.booleans()) or again.number not in {each.number for each in tape}:
                    tape.append(copy)
                flight.done(again.number)
            waiting.clear()
    for again in flight:
        tape.append(item_of(0, again.subject, again.headers("v", "s", flight.settled), again.payload))
        flight.done(again.number)
    got = played(tape)
    for subject in SUBJECTS:
        mine = [f"{each.subject} {each.payload.decode()}" for each in got if each.subject == subject]
        assert mine == [each for each in published if each.startswith(subject)]


def test_refused_duplicates_do_not_delay_what_follows_settled_ones() -> None:
    flight = InFlight("s")
    first, second, third = (sent(flight, SUBJECTS[0], payload)[0] for payload in (b"1", b"2", b"3"))
    for number in (first.number, second.number):
        flight.done(number)
    (fourth,) = sent(flight, SUBJECTS[0], b"4")
    order = SessionOrder()
    assert order.step(first) == (first,)
    assert order.step(third) == ()  # the second may still come
    assert order.step(fourth) == (third, fourth)  # it was settled, so it was refused as a duplicate


def test_parts_are_joined_in_any_order_and_once() -> None:
    flight = InFlight("s")
    parts = sent(flight, SUBJECTS[0], b"0123456789", most=3)
    assert [each.parts for each in parts] == [4] * 4
    following = sent(flight, SUBJECTS[0], b"x")
    got = played([parts[1], parts[0], parts[0], parts[3], *following, parts[2]])
    assert [each.payload for each in got] == [b"0123456789", b"x"]
