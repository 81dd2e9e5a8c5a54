"""`python -m rxfeed.compat SCRIPT.py`: scripts of the classics, unchanged, with a report at the end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAD = "import sys, time\nimport cbpro\n"

COUNTER = """
class Counter(cbpro.WebsocketClient):
    def on_open(self):
        self.url = "wss://ws-feed.pro.coinbase.com/"
        self.products = ["LTC-USD"]
        self.count = 0
    def on_message(self, msg):
        self.count += 1
    def on_close(self):
        print("done")

counter = Counter()
counter.start()
print(counter.url, counter.products, sys.argv[1:])
while counter.count < 20:
    time.sleep(0.05)
counter.close()
"""
CONSOLE = """
class Console(cbpro.OrderBook):
    def __init__(self, product_id=None):
        super(Console, self).__init__(product_id=product_id)
        self.changes = 0
        self.spread = None
    def on_message(self, message):
        super(Console, self).on_message(message)
        spread = self.get_bid(), self.get_ask()
        if spread != self.spread:
            self.spread = spread
            self.changes += 1
            if self.changes == 3:
                print("changed", sum(order["size"] for order in self.get_bids(spread[0])) > 0)

book = Console()
book.start()
try:
    while True:
        time.sleep(10)
except KeyboardInterrupt:
    book.close()
sys.exit(1 if book.error else 0)
"""
PUBLIC = """
from cbpro.public_client import PublicClient
client = cbpro.PublicClient(api_url="https://api.pro.coinbase.com")
print(client.get_product_ticker("ETH-USD")["price"] > "0", isinstance(client, PublicClient))
"""
LACKING = """
import logging
from queue import Queue
logging.basicConfig(level=logging.INFO)
types = Queue()
class Lacking(cbpro.WebsocketClient):
    def on_message(self, msg):
        types.put(msg["type"])
client = Lacking(products=["BTC-USD"], channels=["user", "heartbeat"])
client.start()
while types.get() != "heartbeat":
    pass
client.close()
try:
    cbpro.PublicClient().get_currencies()
except Exception as error:
    print(type(error).__name__)
"""
OWN_SOCKET = """
import json
from websocket import create_connection
request = json.dumps({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["heartbeat"]})
class Own(cbpro.WebsocketClient):
    first = None
    def _connect(self):
        self.ws = create_connection(self.url)
        self.ws.send(request)
    def on_message(self, msg):
        self.first = self.first or msg["type"]
client = Own(products=["BTC-USD"], should_print=False)
client.start()
while client.first is None:
    time.sleep(0.05)
client.close()
print(client.first, client.error)
ws = create_connection("wss://ws-feed.gdax.com")
ws.send(request)
print(json.loads(ws.recv())["type"])
ws.close()
"""
SPAWNED = """
import multiprocessing
class First(cbpro.WebsocketClient):
    def on_message(self, msg):
        self.first = msg["type"]
        self.close()
def work(client, queue):
    client.start()
    client.thread.join()
    queue.put(client.first)
if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    queue = spawn.Queue()
    client = First(products=["BTC-USD"], channels=["heartbeat"], should_print=False)
    process = spawn.Process(target=work, args=(client, queue))
    process.start()
    print(queue.get(), end=" ")
    process.join()
    print(process.exitcode)
"""
LEFT_OPEN = """
import gdax
client = gdax.WebsocketClient(products="BTC-USD", channels=["full"], should_print=False)
client.start()
"""


def rehearsed(tmp_path: Path, text: str, *options: str, arguments: tuple[str, ...] = ()) -> tuple[int, str, str]:
    script = tmp_path / "bot.py"
    script.write_text(HEAD + text)
    done = subprocess.run(
        [sys.executable, "-m", "rxfeed.compat", *options, str(script), *arguments],
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=45,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def section(report: str, name: str) -> list[str]:
    lines = report[report.index("---- bot.py on rxfeed.compat ----") :].splitlines()
    after = lines[next(place for place, line in enumerate(lines) if line.startswith(f"{name}:")) + 1 :]
    return [line.removeprefix("  - ") for line in after[: next((i for i, x in enumerate(after) if x[0] != " "), None)]]


def test_script_runs_unchanged_and_is_reported(tmp_path: Path) -> None:
    status, out, errors = rehearsed(tmp_path, COUNTER, "--sim", arguments=("--flag", "x"))
    assert status == 0, errors
    assert "wss://ws-feed.exchange.coinbase.com ['LTC-USD'] ['--flag', 'x']\n" in out
    assert "\ndone\n" in out
    assert "ended: by itself" in out
    assert section(out, "used")[0] == "a client of the class Counter"
    retired, channels = section(out, "substituted")
    assert retired.startswith("ws-feed.pro.coinbase.com is retired")
    assert channels.startswith("channels is None")
    assert section(out, "errors") == []
    assert errors.count("bot.py:15: UserWarning") == 2


def test_console_without_keys_ends_as_by_ctrl_c(tmp_path: Path) -> None:
    status, out, errors = rehearsed(tmp_path, CONSOLE, "--sim", "--seconds", "3")
    assert status == 0, errors
    assert "changed True\n" in out
    assert "ended: with sys.exit(0)" in out
    assert "OrderBook stands on level2_batch" in section(out, "substituted")[0]


def test_venue_of_scripts_that_name_none_is_an_option(tmp_path: Path) -> None:
    status, out, errors = rehearsed(tmp_path, CONSOLE, "--sim", "--venue", "coinbase_advanced", "--seconds", "3")
    assert status == 0, errors
    assert "changed True\n" in out
    assert section(out, "used")[1].startswith("heartbeats, level2, market_trades of BTC-USD from ws://")
    assert section(out, "substituted")[0].startswith("full: Advanced Trade has no single orders")


def test_channels_that_the_venue_lacks_are_reported(tmp_path: Path) -> None:
    options = ("--sim", "--venue", "coinbase_advanced", "--seconds", "20")
    status, out, errors = rehearsed(tmp_path, LEFT_OPEN, *options)
    assert (status, errors) == (0, "")
    assert section(out, "not available today")[0].startswith("full: refused: Advanced Trade has no single orders")
    assert "ended: by itself" in out


def test_report_of_what_the_venue_lacks_is_exact(tmp_path: Path) -> None:
    options = ("--sim", "--venue", "coinbase_advanced", "--seconds", "20")
    status, out, errors = rehearsed(tmp_path, LACKING, *options)
    assert status == 0, errors
    assert "ConfigError\n" in out
    currencies, user = sorted(section(out, "not available today"))
    assert currencies.startswith("get_currencies: Advanced Trade has no public list")
    assert user.startswith("user: refused: ")
    assert section(out, "substituted") == []
    assert "rxfeed.feed:connected: " in errors
    assert "rxfeed.sim" not in errors


def test_socket_that_a_script_makes_itself_is_redirected(tmp_path: Path) -> None:
    status, out, errors = rehearsed(tmp_path, OWN_SOCKET, "--sim", "--seconds", "20")
    assert (status, errors) == (0, "")
    assert "subscriptions None\nsubscriptions\n" in out


def test_client_in_a_spawned_process_runs(tmp_path: Path) -> None:
    status, out, errors = rehearsed(tmp_path, SPAWNED, "--sim", "--seconds", "20")
    assert (status, errors) == (0, "")
    assert "subscriptions 0\n" in out


def test_unknown_venue_of_the_environment_is_bad_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RXFEED_COMPAT_VENUE", "kraken")
    status, _, errors = rehearsed(tmp_path, COUNTER, "--sim")
    assert status == 2
    assert "RXFEED_COMPAT_VENUE: 'kraken' is not known: there is coinbase_exchange, coinbase_advanced" in errors


def test_module_of_an_older_library_has_a_reason(tmp_path: Path) -> None:
    status, out, _ = rehearsed(tmp_path, "import GDAX")
    assert status == 1
    assert section(out, "not available today")[0].startswith("the library GDAX of 2017: its names were others")


def test_modules_of_the_classics_are_replaced(tmp_path: Path) -> None:
    text = """
from cbpro.cbpro_auth import CBProAuth, get_auth_headers
from gdax.gdax_auth import GdaxAuth
print(GdaxAuth is CBProAuth is cbpro.CBProAuth)
from cbpro.FixClient import FixClient
"""
    status, out, _ = rehearsed(tmp_path, text)
    assert status == 1
    assert out.startswith("True\n")
    assert "ended: with ImportError: cbpro.FixClient has no FixClient: FIX is out of scope of rxfeed" in out


def test_public_calls_go_to_the_local_exchange(tmp_path: Path) -> None:
    status, out, errors = rehearsed(tmp_path, PUBLIC, "--sim")
    assert status == 0, errors
    assert out.startswith("True True\n")
    assert section(out, "used") == ["PublicClient: GET /products/ETH-USD/ticker"]
    assert section(out, "substituted") == [
        "api.pro.coinbase.com is retired: connecting to api.exchange.coinbase.com in its place"
    ]


def test_thread_of_a_client_is_waited_for(tmp_path: Path) -> None:
    status, out, _ = rehearsed(tmp_path, LEFT_OPEN, "--sim", "--seconds", "20")
    assert status == 0
    assert "ended: by itself" in out  # the exchange has refused it
    assert "AuthenticationFailed: full" in section(out, "errors")[0]
    assert section(out, "not available today")[0].startswith("the exchange refused")


@pytest.mark.parametrize(
    ("text", "status", "end"),
    [
        ("sys.exit(7)", 7, "ended: with sys.exit(7)"),
        ("1 / 0", 1, "ended: with ZeroDivisionError: division by zero"),
        ("cbpro.AuthenticatedClient('k', 's', 'p')", 1, "ended: with ConfigError: AuthenticatedClient: accounts"),
    ],
)
def test_status_is_that_of_the_script(tmp_path: Path, text: str, status: int, end: str) -> None:
    found, out, errors = rehearsed(tmp_path, text)
    assert found == status
    assert end in out
    assert ("bot.py" in errors) == (status == 1)
    assert "servers: the exchange" in out


def test_missing_script_is_bad_usage(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rxfeed.compat", str(tmp_path / "none.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "there is no file" in done.stderr
