"""Scripts that rely on the exchange of 2018: with rxfeed.compat on today's, and with cbpro's wheel on that of 2018.

Nothing in them names a server, and they print and end the same.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rxfeed import Credentials
from rxfeed.sim import Exchange
from rxfeed.sim.venues import SIMULATED
from tests.legacy.exchange_of_2018 import EXCHANGE_OF_2018, NAME
from tests.legacy.test_both import CLASSIC, COMPAT
from tests.legacy.wheel import WheelMissing, wheel

HERE = Path(__file__).parent
LONG = {"book_of_one_and_trades", "received_is_waited_for"}  # run with RXFEED_SOAK=1 only: others have similar steps
SCRIPTS = [
    each for each in sorted((HERE / "then").glob("*.py")) if os.environ.get("RXFEED_SOAK") or each.stem not in LONG
]
PATIENCE = 40.0  # seconds
# What rxfeed.compat prints to stderr; each warning is at the line of the script that made or started a client.
WARNED = {
    "book_of_one_and_trades": [r"full needs keys .*: OrderBook stands on level2_batch"],
    "console_of_the_spread": [r"full needs keys .*: OrderBook stands on level2_batch"],
    "everything_without_channels": [r"ws-feed.pro.coinbase.com is retired: ", r"channels is None, .*: subscribing to "],
    "level2_book": [r"level2 needs keys .*: subscribing to level2_batch"],
    "received_is_waited_for": [r"channels is None, .*: subscribing to ticker, matches, heartbeat"],
    "retired_host": [r"ws-feed.gdax.com is retired: ", r"api.gdax.com is retired: "],
}
RAISED = {"handler_raises": ("in on_message", "KeyError: 'prize'")}


def ran(script: Path, path: str, venue: str) -> tuple[int, str, str, int]:
    """Status, output and errors of *script* on an exchange of its own, and the connections that are left."""
    keys = Credentials("key", "c2VjcmV0", "phrase")
    products = ["BTC-USD", "ETH-USD", "LTC-USD"]
    with Exchange(products, seed=3, rate=200, credentials=keys, venue=venue) as exchange:
        servers = {"LOCAL_FEED": exchange.url, "LOCAL_REST": exchange.rest_url}
        if venue == NAME:
            servers["LOCAL_WHEEL"] = "1"
        done = subprocess.run(
            [sys.executable, str(script)],
            env=os.environ | servers | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        left = exchange.connections
    return done.returncode, done.stdout, done.stderr, left


@pytest.mark.timeout(150)
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_script_of_2018_prints_the_same_on_the_wheel(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [str(HERE / "redirected"), *filter(None, [os.environ.get("PYTHONPATH")])]
    status, out, errors, left = ran(script, os.pathsep.join(first), "coinbase_exchange")
    assert (status, left) == (0, 0), errors
    assert out
    warnings = re.findall(rf"^{re.escape(str(script))}:\d+: UserWarning: (.*)$", errors, re.MULTILINE)
    patterns = WARNED.get(script.stem, [])
    assert len(warnings) == len(patterns), errors
    for pattern, text in zip(patterns, warnings, strict=True):
        assert re.match(pattern, text)
    for text in RAISED.get(script.stem, ()):
        assert text in errors
    if script.stem not in RAISED:
        assert errors.count("\n") == 2 * len(warnings)  # each with its line, and nothing else
    try:
        classic = wheel()
    except WheelMissing as missing:
        pytest.skip(str(missing))
    monkeypatch.setitem(SIMULATED, NAME, EXCHANGE_OF_2018)
    changed = tmp_path / script.name
    changed.write_text(script.read_text().replace(COMPAT, CLASSIC))
    on_wheel = ran(changed, os.pathsep.join([*first[:1], str(classic)]), NAME)
    assert on_wheel[0] == 0, on_wheel[2]
    assert out == on_wheel[1]
    for text in RAISED.get(script.stem, ()):
        assert text in on_wheel[2]
    if script.stem not in RAISED:  # the wheel leaves the connection of a failed handler open until the process ends
        assert on_wheel[2] == ""
        assert on_wheel[3] == 0
