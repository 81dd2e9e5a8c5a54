"""Leases on a real server, with the clocks and the turns of two members in the hands of the test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from nats.aio.client import Client
from nats.js import JetStreamContext

from rxfeed.sim.nats_server import NatsServer
from rxfeed.tape.leases import TTL, Leases, owners
from tests.tape.tapes import with_client

LATER = TTL + 0.1


class Times:
    """The clock of one member."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Member(Leases):
    def __init__(self, bucket: str, name: str) -> None:
        self.times = Times()
        super().__init__(bucket, "g", name, clock=self.times)

    async def begin(self, js: JetStreamContext) -> None:
        await self.open(js)
        await self.renew()

    def before_next_update(self, action: Callable[[], Awaitable[object]]) -> None:
        """Do *action* between the reading of a claim and its change."""
        update = self._kv.update

        async def changed(*arguments: Any, **options: Any) -> int:
            self._kv.update = update  # type: ignore[method-assign]
            await action()
            return await update(*arguments, **options)

        self._kv.update = changed  # type: ignore[method-assign]


Use = Callable[[JetStreamContext, Member, Member], Awaitable[None]]


def two(server: NatsServer, stream: str, use: Use) -> None:
    async def run(client: Client, js: JetStreamContext) -> None:
        one, other = Member(stream, "one"), Member(stream, "other")
        await one.begin(js)
        await use(js, one, other)

    with_client(server.url, run)


def test_member_that_began_after_the_list_keeps_its_claim(server: NatsServer, stream: str) -> None:
    async def use(js: JetStreamContext, one: Member, other: Member) -> None:
        living = await one.members()
        await other.begin(js)
        assert await other.claim("a", await other.members())
        assert living == {"one"}
        assert not await one.claim("a", living)
        assert await owners(js, stream) == {"g.a": "other"}

    two(server, stream, use)


def test_claim_of_a_dead_member_is_taken_once(server: NatsServer, stream: str) -> None:
    async def use(js: JetStreamContext, one: Member, other: Member) -> None:
        await other.begin(js)
        assert await other.claim("a", {"other"})
        assert not await one.claim("a", await one.members())
        one.times.now += LATER
        await one.renew()
        assert await one.members() == {"one"}
        assert await one.claim("a", await one.members())
        await other.renew()  # by its clock no time has passed, as after a suspended machine
        assert other.owned
        await other.compare(["a"])
        assert not other.owned
        assert await owners(js, stream) == {"g.a": "one"}

    two(server, stream, use)


def test_member_that_recovers_while_its_claim_is_taken_keeps_it(server: NatsServer, stream: str) -> None:
    async def use(js: JetStreamContext, one: Member, other: Member) -> None:
        await other.begin(js)
        assert await other.claim("a", {"other"})
        await one.members()
        for each in (one, other):
            each.times.now += LATER
        await one.renew()
        living = await one.members()
        assert living == {"one"}
        one.before_next_update(other.renew)
        assert not await one.claim("a", living)
        assert other.is_safe
        await other.compare(["a"])
        assert list(other.owned) == ["a"]

    two(server, stream, use)


def test_member_that_recovers_too_late_has_lost_its_claim(server: NatsServer, stream: str) -> None:
    async def use(js: JetStreamContext, one: Member, other: Member) -> None:
        await other.begin(js)
        assert await other.claim("a", {"other"})
        await one.members()
        for each in (one, other):
            each.times.now += LATER
        await one.renew()
        assert await one.claim("a", await one.members())
        await other.renew()
        assert other.is_safe
        assert not other.owned

    two(server, stream, use)


def test_claim_without_an_answer_is_found_and_can_be_released(server: NatsServer, stream: str) -> None:
    async def use(js: JetStreamContext, one: Member, other: Member) -> None:
        assert await one.claim("a", {"one"})
        one.owned.clear()  # as if the answer had been lost
        await one.compare(["a"])
        await one.release("a")
        await other.begin(js)
        assert await other.claim("a", await other.members())

    two(server, stream, use)


def test_members_are_compared_in_turn_until_all_were(server: NatsServer, stream: str) -> None:
    async def use(js: JetStreamContext, one: Member, other: Member) -> None:
        names = [f"{number:02}" for number in range(40)]
        for name in names:
            assert await one.claim(name, {"one"})
        one.owned.clear()
        counts = []
        for _ in range(3):
            await one.compare(names)
            counts.append(len(one.owned))
        assert counts == [16, 32, 40]

    two(server, stream, use)


def test_member_that_is_not_safe_claims_nothing(server: NatsServer, stream: str) -> None:
    async def use(js: JetStreamContext, one: Member, other: Member) -> None:
        one.times.now += LATER
        assert not await one.claim("a", {"one"})
        await one.renew()
        assert await one.claim("a", {"one"})

    two(server, stream, use)


def test_time_of_an_answer_does_not_shorten_a_members_life(server: NatsServer, stream: str) -> None:
    """A member is renewed while another one waits for answers: its life counts from the end of that wait."""

    async def use(js: JetStreamContext, one: Member, other: Member) -> None:
        get = one._kv.get

        async def slow(key: str) -> Any:
            one.times.now += TTL  # before the server answers
            await other.renew()
            return await get(key)

        await other.begin(js)
        one._kv.get = slow  # type: ignore[method-assign, assignment]
        assert "other" in await one.members()
        one._kv.get = get  # type: ignore[method-assign]
        one.times.now += 1.0
        assert "other" in await one.members()

    two(server, stream, use)


def test_owners_are_listed_whenever_they_are_asked_for(server: NatsServer, stream: str) -> None:
    async def use(js: JetStreamContext, one: Member, other: Member) -> None:
        assert await owners(js, "none") == {}
        assert await owners(js, stream) == {}
        for name in ("a", "b"):
            assert await one.claim(name, {"one"})
        await one.release("b")
        found = await asyncio.gather(*(owners(js, stream) for _ in range(100)))
        assert found == [{"g.a": "one"}] * 100

    two(server, stream, use)
