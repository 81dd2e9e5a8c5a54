"""What the private servers of demos and tests have in common: a process, a free port, and a temporary folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rxfeed.errors import RxfeedError


class PrivateServer:
    """A server's process on a free port of 127.0.0.1; *name* is a part of the names of its folder and its log."""

    def __init__(self, binary: str | Path, name: str) -> None:
        self._binary = str(binary)
        self._name = name
        self._folder = ""
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float = 30.0) -> Self:
        """Start it, with the same port and data as at an earlier start; return when it accepts connections."""
        raise NotImplementedError

    @property
    def _log(self) -> Path:
        return Path(self._folder) / f"{self._name}.log"

    def _choose_place(self) -> None:
        """Choose its port and folder, if it has none."""
        if not self.port:
            self._folder = tempfile.mkdtemp(prefix=f"rxfeed-{self._name}-")
            self.port = free_port()

    def _run(self, arguments: Sequence[str], timeout: float) -> None:
        """Start the process, and return when it accepts connections."""
        with self._log.open("ab") as output:
            # In a process group of its own, so that Ctrl-C in the terminal does not end it before its owner does.
            self.process = subprocess.Popen(
                [self._binary, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
            )
        deadline = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        tail = self._log.read_bytes()[-2000:].decode(errors="replace")
        self.close()
        raise RxfeedError(f"{self._binary} did not start: {tail}")

    def pause(self) -> None:
        """Stop the process, so that it answers nothing, and return when it has stopped; `resume` continues it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)
            # Its threads on other cores go on until the system has stopped them.
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the process, as a power failure would, and keep its data."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self) -> None:
        """End the process and remove its data."""
        self.kill()  # a shutdown in order would write what is removed
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder, self.port = "", 0

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
