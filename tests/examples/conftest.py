"""The examples as a user runs them: in separate processes, against an exchange in the process of the test."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from rxfeed.sim import Exchange

EXAMPLES = Path(__file__).parents[2] / "examples"
START = datetime(2026, 1, 2, 12, 0, 30, tzinfo=UTC)
PATIENCE = 45.0  # seconds


@contextlib.contextmanager
def importable(folder: Path = EXAMPLES) -> Iterator[None]:
    """Within this block the modules in *folder* can be imported; afterwards they are forgotten."""
    before, names = set(sys.modules), {path.stem for path in folder.iterdir()}
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if name.partition(".")[0] in names:
                del sys.modules[name]


class Script:
    """A running example. *folder*: where it runs, and its `stderr` goes."""

    def __init__(self, name: str, arguments: tuple[str, ...], folder: Path) -> None:
        self.name = name
        self.printed: list[str] = []
        self._errors = folder / f"{name}.stderr"
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments],
                cwd=folder,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def until(self, enough: Callable[[list[str]], bool]) -> list[str]:
        """The lines printed so far, as soon as they are *enough*."""
        deadline = time.monotonic() + PATIENCE
        while not enough(self.printed):
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            assert line is not None, f"{self.name}: not enough was printed:\n{self._stderr()}"
            self.printed.append(line)
        return self.printed

    def interrupt(self) -> list[str]:
        """All that was printed, with a Ctrl-C now."""
        assert self.process.poll() is None, f"{self.name} has ended before the Ctrl-C:\n{self._stderr()}"
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def end(self, patience: float = PATIENCE) -> list[str]:
        """The whole output, after the example has ended with status 0 and without errors, within *patience* seconds."""
        status = self.process.wait(patience)
        self._reader.join()
        while (line := self._lines.get()) is not None:
            self.printed.append(line)
        assert status == 0, f"{self.name}: status {status}\n{self._stderr()}"
        assert self._errors.read_text() == ""
        return self.printed

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _stderr(self) -> str:
        return "\n".join(self.printed) + "\n" + self._errors.read_text()


class Listener:
    """A plain client that receives what the examples receive."""

    def __init__(self, exchange: Exchange, socket: ClientConnection, *channels: str) -> None:
        self._exchange = exchange
        self._socket = socket
        request = {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": list(channels)}
        self._socket.send(json.dumps(request))

    def received(self) -> list[dict[str, Any]]:
        """Every message of the exchange until now, since the last call."""
        self._exchange.drain()
        assert self._socket.ping().wait(PATIENCE)  # the pong comes behind all that was sent
        messages = []
        while True:
            try:
                messages.append(json.loads(self._socket.recv(timeout=0)))
            except TimeoutError:
                return messages


Run = Callable[..., Script]
Listen = Callable[..., Listener]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """`run(name, *arguments)` starts an example."""
    scripts: list[Script] = []

    def start(name: str, *arguments: str) -> Script:
        folder = tmp_path / str(len(scripts))
        folder.mkdir()
        scripts.append(Script(name, arguments, folder))
        return scripts[-1]

    yield start
    for script in scripts:
        script.stop()


@pytest.fixture
def shared() -> Iterator[None]:
    """The examples' modules can be imported."""
    with importable():
        yield


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """BTC-USD from 12:00:30 on, seeded; it changes only by `step` and `advance`."""
    with Exchange(["BTC-USD"], seed=5, rate=20, auto=False, start=START) as exchange:
        yield exchange


@pytest.fixture
def busy_exchange() -> Iterator[Exchange]:
    """BTC-USD, where time passes."""
    with Exchange(["BTC-USD"], seed=5) as exchange:
        yield exchange


@pytest.fixture
def witness(exchange: Exchange) -> Iterator[Listen]:
    """`witness(*channels)` listens to `exchange`."""
    with contextlib.ExitStack() as sockets:

        def start(*channels: str) -> Listener:
            socket = connect(exchange.url, compression=None, max_size=None, max_queue=None, close_timeout=1)
            return Listener(exchange, sockets.enter_context(socket), *channels)

        yield start
