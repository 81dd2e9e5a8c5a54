"""Scripts that run on rxfeed.compat, on either venue, and with one line changed on cbpro's wheel.

They print and end the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rxfeed import Credentials
from rxfeed.compat.hosts import VARIABLE
from rxfeed.sim import Exchange
from tests.legacy.wheel import WheelMissing, wheel

SCRIPTS = sorted((Path(__file__).parent / "both").glob("*.py"))
COMPAT, CLASSIC = "import rxfeed.compat as cbpro", "import cbpro"
PATIENCE = 120.0  # seconds
SOAK = bool(os.environ.get("RXFEED_SOAK"))
LONG = {"asyncio_queue", "candles_by_the_second"}  # without it not run, since others have similar steps
ADVANCED = {"across_processes", "raw_frames", "read_loop_of_its_own", "rows_until_a_signal"}  # without it, these only
# These need keys, or orders, or paths of the exchange's REST API.
EXCHANGE_ONLY = {"console_reads_at_every_message", "public_calls", "session_and_signature"}


def ran(script: Path, path: str, venue: str = "coinbase_exchange") -> tuple[int, str, str, int]:
    """Status, output and errors of *script* on an exchange of its own, and the connections that are left."""
    keys = Credentials("key", "c2VjcmV0", "phrase") if venue == "coinbase_exchange" else None
    with Exchange(["BTC-USD", "ETH-USD"], seed=3, rate=200, credentials=keys, venue=venue) as exchange:
        done = subprocess.run(
            [sys.executable, str(script), exchange.url, exchange.rest_url],
            env=os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": path, VARIABLE: venue},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        left = exchange.connections
    return done.returncode, done.stdout, done.stderr, left


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "script", [each for each in SCRIPTS if SOAK or each.stem not in LONG], ids=lambda script: script.stem
)
def test_script_prints_the_same_on_the_wheel(script: Path, tmp_path: Path) -> None:
    status, out, errors, left = ran(script, os.environ.get("PYTHONPATH", ""))
    assert (status, errors, left) == (0, "", 0), out
    assert out
    if script.stem in ADVANCED or (SOAK and script.stem not in EXCHANGE_ONLY):
        assert ran(script, os.environ.get("PYTHONPATH", ""), "coinbase_advanced") == (0, out, "", 0)
    try:
        classic = wheel()
    except WheelMissing as missing:
        pytest.skip(str(missing))
    text = script.read_text()
    assert COMPAT in text
    changed = tmp_path / script.name
    changed.write_text(text.replace(COMPAT, CLASSIC).replace("from rxfeed.compat.", "from cbpro."))
    on_wheel = ran(changed, str(classic))
    assert on_wheel[0] == 0, on_wheel[2]
    assert out == on_wheel[1]
    assert on_wheel[3] == 0
