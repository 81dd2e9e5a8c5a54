"""A private MongoDB server for demos and tests."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sysconfig
import tempfile
import time
from pathlib import Path
from types import TracebackType

from rxfeed.errors import ConfigError, RxfeedError, install_command


class Mongod:
    """A `mongod` process on a free port of 127.0.0.1, with a temporary folder for its data.

        with Mongod() as server:
            collection = pymongo.MongoClient(server.uri).rxfeed.messages

    The binary is *binary*, or the one on PATH, or the one in the `demo` extra; raises `ConfigError` if there is
    none. *replica_set*: its name, for a server that is a member of one (initiate it yourself).
    """

    def __init__(self, binary: str | Path | None = None, *, replica_set: str | None = None) -> None:
        found = binary or find_mongod()
        if found is None:
            raise ConfigError(
                f"no mongod: install MongoDB, or on Linux x86-64 {install_command('demo')}, or give a server's URL"
            )
        self._binary = str(found)
        self._replica_set = replica_set
        self._folder = ""
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        direct = "/?directConnection=true" if self._replica_set else ""
        return f"mongodb://127.0.0.1:{self.port}{direct}"

    def start(self, timeout: float = 30.0) -> Mongod:
        """Start it, with the same port and data as at an earlier start; return when it accepts connections."""
        if not self.port:
            self._folder = tempfile.mkdtemp(prefix="rxfeed-mongod-")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        command = [self._binary, "--dbpath", self._folder, "--bind_ip", "127.0.0.1", "--port", str(self.port)]
        command += [
            "--nounixsocket",
            "--wiredTigerCacheSizeGB",
            "0.25",
            "--setParameter",
            "diagnosticDataCollectionEnabled=false",
        ]
        if self._replica_set:
            command += ["--replSet", self._replica_set]
        log = Path(self._folder) / "mongod.log"
        with log.open("ab") as output:
            # In a process group of its own, so that Ctrl-C in the terminal does not end it before its owner does.
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0
            )
        deadline = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            time.sleep(0.02)
        tail = log.read_bytes()[-2000:].decode(errors="replace")
        self.close()
        raise RxfeedError(f"{self._binary} did not start: {tail}")

    def stop(self) -> None:
        """End the process and keep its data."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
            self.process = None

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

    def __enter__(self) -> Mongod:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def find_mongod() -> Path | None:
    """The `mongod` on PATH, or the one in the wheel of the `demo` extra; `None` if there is neither."""
    on_path = shutil.which("mongod")
    if on_path:
        return Path(on_path)
    shipped = Path(sysconfig.get_path("purelib")) / "fiftyone" / "db" / "bin" / "mongod"
    return shipped if shipped.is_file() else None
