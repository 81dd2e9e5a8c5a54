"""The fixtures, in a separate pytest run."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TESTS = """
import pytest
from websockets.sync.client import connect
from rxfeed.sim import Exchange, faults
from rxfeed.sim.pytest_plugin import START

made = []

def watch(exchange):
    with connect(exchange.url, compression=None) as client:
        client.send('{"type":"subscribe","product_ids":["BTC-USD"],"channels":["ticker","level2_batch"]}')
        exchange.wait_for_clients()
        exchange.step(50)
        return [client.recv(timeout=30) for _ in range(exchange.sent.frames)]

@pytest.mark.parametrize("run", [1, 2])
def test_fixture_starts_an_exchange(rxfeed_exchange, run):
    assert rxfeed_exchange.time == START
    made.append(rxfeed_exchange)
    print("FRAMES", run, hash(tuple(watch(rxfeed_exchange))))

def test_factory_starts_exchanges(rxfeed_exchange_factory):
    first, second = rxfeed_exchange_factory(), rxfeed_exchange_factory()
    third = rxfeed_exchange_factory(["BTC-USD"], seed=1, faults=[faults.Drop()])
    made.extend([first, second, third])
    assert watch(first) == watch(second) != watch(third)
    assert third.sent.dropped == 1

def test_exchanges_are_closed_after_the_test():
    for exchange in made:
        with pytest.raises(Exception, match="not running"):
            exchange.step()
    assert len(made) == 5
"""


def python_in(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.timeout(180)  # it starts pytest twice
def test_fixtures_run_the_examples_of_the_docs_page(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["rxfeed.sim.pytest_plugin"]\n')
    (tmp_path / "test_bot.py").write_text(TESTS)
    market, script, _, example = python_in(ROOT / "docs" / "how_to" / "test_your_bot.md")
    (tmp_path / "test_page.py").write_text(example)
    exec(script, {"run_my_bot": lambda url: None})
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(market, {})
    assert "Subscriptions channels [ChannelSubscription(name='ticker', product_ids=('BTC-USD',)" in printed.getvalue()
    assert re.search(r"Ticker BTC-USD .* price [0-9.]+", printed.getvalue())

    def run() -> list[str]:
        command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
        options = {"cwd": tmp_path, "env": environment, "text": True, "timeout": 80}
        done = subprocess.run([*command, str(tmp_path)], capture_output=True, check=False, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "5 passed" in done.stdout
        return [line.partition("FRAMES")[2] for line in done.stdout.splitlines() if "FRAMES" in line]

    first = run()
    assert len(set(first)) == 2  # each test has its own seed
    assert first == run()
