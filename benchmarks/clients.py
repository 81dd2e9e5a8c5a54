"""The measured clients, and the process of each run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.environments import ENVIRONMENTS, Missing, Ready, prepare

ROOT = Path(__file__).parents[1]


class Client(NamedTuple):
    """A function of a module of `benchmarks.peers`, in the *environment* of that name, or in rxfeed's."""

    label: str
    module: str
    function: str
    environment: str | None = None
    slow: bool = False  # gets a quarter of the messages in the measurement of speed
    socket: bool = True


CLIENTS: dict[str, Client] = {
    "pipeline": Client("rxfeed: Feed, `filter`, `window_volume(60)`", "feed", "feed_filter_window"),
    "matches": Client("rxfeed: Feed, `matches()`, `window_volume(60)`", "feed", "matches_window"),
    "feed": Client("rxfeed: Feed to a subscriber", "feed", "feed_alone"),
    "compat": Client("rxfeed.compat: `on_message(dict)`", "feed", "classic"),
    "cbpro": Client("{}: `on_message(dict)`", "cbpro", "on_message", "cbpro", slow=True),
    "ccxt": Client("{}: handler alone, no socket", "ccxt", "handler", "ccxt", slow=True, socket=False),
    "advanced": Client("{} and `json.loads`", "advanced", "on_message", "advanced"),
    "websocket": Client("websocket-client, plain loop, typed decode", "plain", "websocket_client"),
    "bare": Client("bare loop: large reads, cut, typed decode", "plain", "bare_loop"),
    "picows": Client("{} (C) and msgspec to dict", "picows", "to_dict", "picows"),
}
# With a minute's volume and a price crossing; the bare loop only receives, cuts and decodes.
LOADED_CLIENTS: dict[str, Client] = {
    "feed": Client("rxfeed: Feed, window and crossing", "feed", "feed_window_crossing"),
    "cbpro": Client("{}: the same in a plain `on_message`", "cbpro", "window_crossing", "cbpro"),
    "bare": Client("bare loop: recv, cut, typed decode, nothing else", "plain", "bare_loop"),
}
# On frames of Advanced Trade: the pipeline reads trades alone; with the filter every message has a reader.
ADVANCED_CLIENTS: dict[str, Client] = {
    "pipeline": Client("rxfeed: Feed, `window_volume(60)`", "feed", "advanced_window"),
    "filter": Client("rxfeed: Feed, `filter` of all messages, `window_volume(60)`", "feed", "advanced_filter_window"),
    "advanced": Client("{} and `json.loads`", "advanced", "on_message", "advanced"),
}


class Failed(Exception):
    """A run has no result; the text is the reason."""


class TooSlow(Failed):
    """A run was not over within its time limit."""


class ClientRunner:
    """The clients that can be installed here, and the reasons for the others; environments are made at first use."""

    def __init__(self) -> None:
        self._environments: dict[str, Ready | Missing] = {}

    def label(self, client: Client) -> str:
        """Its name, with the installed version if that is known."""
        if client.environment is None:
            return client.label
        found = self._find(client.environment)
        return client.label.format(found.what if isinstance(found, Ready) else ENVIRONMENTS[client.environment][0])

    def missing(self, client: Client) -> str | None:
        found = self._find(client.environment) if client.environment else None
        return found.reason if isinstance(found, Missing) else None

    def run(self, client: Client, job: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The answer of one run in a new process; raises `Failed`, and after *seconds* `TooSlow`."""
        python: Path | str = sys.executable
        if client.environment is not None:
            found = self._find(client.environment)
            if isinstance(found, Missing):
                raise Failed(found.reason)
            python = found.python
        command = [python, "-m", f"benchmarks.peers.{client.module}", client.function, json.dumps(job)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
        try:
            done = subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=seconds, cwd=ROOT, env=environment
            )
        except subprocess.TimeoutExpired as error:
            raise TooSlow(f"not done after {seconds:g} s") from error
        except subprocess.CalledProcessError as error:
            raise Failed((error.stderr.strip().splitlines() or ["no word of why"])[-1]) from error
        return json.loads(done.stdout)

    def _find(self, environment: str) -> Ready | Missing:
        if environment not in self._environments:
            self._environments[environment] = prepare(environment)
        return self._environments[environment]
