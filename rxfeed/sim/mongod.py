"""A private MongoDB server for demos and tests."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from pathlib import Path

from rxfeed.errors import ConfigError, install_command
from rxfeed.sim.private_server import PrivateServer


class Mongod(PrivateServer):
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
        super().__init__(found, "mongod")
        self._replica_set = replica_set

    @property
    def uri(self) -> str:
        direct = "/?directConnection=true" if self._replica_set else ""
        return f"mongodb://127.0.0.1:{self.port}{direct}"

    def start(self, timeout: float = 30.0) -> Mongod:
        """Start it, with the same port and data as at an earlier start; return when it accepts connections."""
        self._choose_place()
        command = ["--dbpath", self._folder, "--bind_ip", "127.0.0.1", "--port", str(self.port)]
        command += [
            "--nounixsocket",
            "--wiredTigerCacheSizeGB",
            "0.25",
            "--setParameter",
            "diagnosticDataCollectionEnabled=false",
        ]
        if self._replica_set:
            command += ["--replSet", self._replica_set]
        self._run(command, timeout)
        return self

    def stop(self) -> None:
        """End the process and keep its data."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
            self.process = None


def find_mongod() -> Path | None:
    """The `mongod` on PATH, or the one in the wheel of the `demo` extra; `None` if there is neither."""
    on_path = shutil.which("mongod")
    if on_path:
        return Path(on_path)
    shipped = Path(sysconfig.get_path("purelib")) / "fiftyone" / "db" / "bin" / "mongod"
    return shipped if shipped.is_file() else None
