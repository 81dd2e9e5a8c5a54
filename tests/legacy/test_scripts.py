"""Scripts as users wrote them for cbpro's clients: each runs and ends without help."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from rxfeed.sim import faults
from rxfeed.sim.mongod import Mongod
from tests.legacy.conftest import SCRIPTS, Ran

CUT = [faults.Close(1001, "going away", after=10, connection=1)]

# Each script's output, as a pattern; the exchange closes the first connection of those in BROKEN.
PRINTS = {
    "attributes_before_super": r"5 prices \['BTC-USD'\]\n",
    "auth_set_later": r"subscriptions \['user'\]\nerror None\n",
    "book_as_client": r"-- Subscribed to OrderBook! --\n\n\n-- OrderBook Socket Closed! --\n"
    r"ready True error None BTC-USD\n",
    "book_as_object": r"both ready \['BTC-USD', 'ETH-USD'\]\n",
    "book_object_without_keys": r"\[True, True\] None\n",
    "book_without_keys": r"-- Subscribed to OrderBook! --\n\n\n-- OrderBook Socket Closed! --\n"
    r"error None True \['id', 'price', 'side', 'size'\]\n",
    "bool_is_false": r"seen 3 error None\n",
    "close_in_on_error": r"error: division by zero - True\nclosed\n",
    "close_in_on_message": r"closed after 10\n",
    "connect_overridden": r"connect\nlisten\ndisconnect\nclosed\n",
    "context_manager": r"closed once\nerror None\n",
    "default_prints": r"-- Subscribed! --\n\n(\{'type': '\w+', .*\}\n)+\n-- Socket Closed --\n",
    "error_none_then_restart": r"the server closed the connection: 1001 going away - data: None\n"
    r"restarting after ServerClosed\nrestarts 1 error None\n",
    "full_without_keys": r"full: Coinbase gives this to authenticated clients only: set auth=True [^\n]*\n"
    r"\['error'\] True AuthenticationFailed\n",
    "handler_fails": r"'price' - data: \{'type': 'subscriptions', .*\}\n",
    "hooks_assigned": r"first: True\nclosed\n",
    "keyboard_interrupt": r"interrupted None\n",
    "level2_without_keys": r"updates 5 True None\n",
    "many_clients": r"8 clients, threads left: 1 errors: \[\]\n",
    "no_channels": r"missing set\(\) channels None error None\n",
    "no_super_init": r"-- Subscribed! --\n\n\n-- Socket Closed --\n",
    "on_error_of_one_argument": r"failed: ConnectFailed\nclosed, stop True\n",
    "on_open_sets_everything": r"Let's count the messages!\n-- Goodbye! --\nTrue \['BTC-USD', 'ETH-USD'\]\n",
    "own_close": r"closed\nNone False\n",
    "own_names": r"mine True mine None\n",
    "pings_of_its_own": r"error None\n",
    "price_alert": r"-- Watching --\nmoved (up|down)\n-- Goodbye! --\n",
    "queue_consumer": r"in order \['BTC-USD', 'ETH-USD'\]\n",
    "repaired_in_on_open": r"ticker of ETH-USD\n\n-- Socket Closed --\n",
    "restart_in_on_close": r"the server closed the connection: 1001 going away - data: None\n"
    r"closed, error: ServerClosed\nclosed, error: NoneType\nsessions 2\n",
    "restart_in_on_error": r"error: the server closed the connection: 1001 going away\nerrors 1\n",
    "restart_in_on_message": r"(closed\n){3}opened 3 error None\n",
    "retired_host": r"wss://ws-feed\.exchange\.coinbase\.com\n-- Subscribed! --\n\n\n-- Socket Closed --\n",
    "start_in_init": r"got True None\n",
    "stop_on_a_quiet_feed": r"prompt True stop 1\n",
    "subscribes_by_hand": r"heartbeat of ETH-USD\n",
    "sys_exit_in_on_message": r"-- Subscribed! --\n\nleaving\nclosed\n",
    "ten_positionals": r"\['heartbeat'\] \[\['ETH-USD'\]\]\n",
    "volume_per_minute": r"\d\d:\d\d True\n\d\d:\d\d True\n\n?",
    "watchdog": r"the server closed the connection: 1001 going away - data: None\n"
    r"watchdog: stop True error the server closed the connection: 1001 going away messages True\n",
}
# What these print to stderr; the others print nothing there.
ERRORS = {
    "close_in_on_error": r"Traceback [^$]*in on_message\n[^$]*ZeroDivisionError: division by zero\n",
    "book_object_without_keys": r"[^$]*book_object_without_keys.py:\d+: UserWarning: channels is None, [^$]*\n"
    r"[^$]*:\d+: UserWarning: full needs keys [^$]*OrderBook stands on level2_batch[^$]*\n",
    "book_without_keys": r"[^$]*book_without_keys.py:\d+: UserWarning: full [^$]*level2_batch[^$]*start\(\)\n",
    "default_prints": r"[^$]*default_prints.py:\d+: UserWarning: channels is None, [^$]*\n",
    "handler_fails": r"Traceback [^$]*in on_message\n[^$]*KeyError: 'price'\n",
    "level2_without_keys": r"[^$]*level2_without_keys.py:\d+: UserWarning: level2 needs keys [^$]*\n",
    "no_channels": r"[^$]*no_channels.py:\d+: UserWarning: channels is None, [^$]*\n",
    "retired_host": r"[^$]*retired_host.py:7: UserWarning: ws-feed.gdax.com is retired: [^$]*\n",
}
BROKEN = {"error_none_then_restart", "restart_in_on_close", "restart_in_on_error", "watchdog"}


@functools.cache
def ran(name: str) -> Ran:
    """Run a script, within the test: threads that outlive a test would be found by the next one."""
    return Ran(name, CUT if name in BROKEN else (), None)


@pytest.mark.parametrize("name", PRINTS)
def test_script_runs_and_ends(name: str) -> None:
    script = ran(name)
    assert script.status == 0
    assert re.fullmatch(ERRORS.get(name, ""), script.err), script.err
    assert re.fullmatch(PRINTS[name], script.out), script.out


def test_mongo_tick_store_writes_each_message(mongod: Mongod) -> None:
    script = Ran("mongo_tick_store", (), mongod.uri)
    assert (script.status, script.out, script.err) == (0, "all stored True error None\n", "")


def test_pings_sent_by_a_script_reach_the_exchange() -> None:
    assert ran("pings_of_its_own").pings == 3


def test_requests_sent_by_a_script_reach_the_exchange() -> None:
    first, second = ran("subscribes_by_hand").requests
    assert first["channels"] == ["ticker"]
    assert second == {"type": "subscribe", "product_ids": ["ETH-USD"], "channels": ["heartbeat"]}


def test_every_script_is_run() -> None:
    assert {Path(path).stem for path in SCRIPTS.glob("*.py")} == {*PRINTS, "mongo_tick_store"}
