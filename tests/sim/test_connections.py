"""Limits of new connections, and faults of one connection of several."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from rxfeed.errors import ConfigError
from rxfeed.sim import Exchange, faults
from rxfeed.sim.clients import Clients
from rxfeed.sim.fault_injector import Script
from rxfeed.sim.second_limit import SecondLimit
from rxfeed.sim.venues import simulated_venue

SUBSCRIBE = '{"type":"subscribe","product_ids":["BTC-USD"],"channels":["heartbeat"]}'


def test_connections_over_the_limit_are_refused(new_client: Any) -> None:
    with Exchange(auto=False, connection_limit=2) as exchange:
        for _ in range(2):
            new_client(exchange)
        with pytest.raises(InvalidStatus) as caught:
            new_client(exchange)
        assert caught.value.response.status_code == HTTPStatus.TOO_MANY_REQUESTS


def test_connection_limit_is_one_of_a_second() -> None:
    now = 0.0
    clients = Clients(1_000, Script(()), simulated_venue("coinbase_exchange"), 2, lambda: now)
    assert [clients.allowed() for _ in range(3)] == [True, True, False]
    now = 0.9
    assert not clients.allowed()
    now = 1.0
    assert [clients.allowed() for _ in range(3)] == [True, True, False]


def test_connection_limit_is_checked() -> None:
    with pytest.raises(ConfigError, match="connection_limit: 0"):
        Exchange(connection_limit=0)


def test_fault_of_one_open_connection_leaves_the_others(new_client: Any) -> None:
    with Exchange(auto=False) as exchange:
        clients = [new_client(exchange) for _ in range(3)]
        assert exchange.open_connections == []
        for client in clients:
            client.send(SUBSCRIBE)
            client.socket.recv()
        assert exchange.open_connections == [1, 2, 3]
        exchange.inject(faults.Reset(connection=2))
        with pytest.raises(ConnectionClosed):
            clients[1].socket.recv()
        assert exchange.open_connections == [1, 3]
        exchange.advance(1.0)
        assert all("heartbeat" in str(client.socket.recv()) for client in (clients[0], clients[2]))


def test_client_of_exchange_that_sends_too_much_is_closed(new_client: Any) -> None:
    """The limit is one of all clients, since they have one address."""
    with Exchange(auto=False, message_limit=3) as exchange:
        first, second = new_client(exchange), new_client(exchange)
        for client in (first, first, second):
            client.send(SUBSCRIBE)
            assert "subscriptions" in str(client.socket.recv())
        second.send(SUBSCRIBE)
        assert json.loads(second.socket.recv())["message"] == "ErrSlowRead"
        with pytest.raises(ConnectionClosed) as caught:
            second.socket.recv()
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1008, "ErrSlowRead")
        assert exchange.open_connections == [1]


def test_message_limit_is_one_of_a_second() -> None:
    now = 0.0
    limit = SecondLimit(2, lambda: now)
    assert [limit.takes() for _ in range(3)] == [True, True, False]
    now = 1.0
    assert limit.takes()
    assert all(SecondLimit(None).takes() for _ in range(1_000))
