"""States for the service manager: datagrams to `NOTIFY_SOCKET`, the watchdog in time, and nothing without a manager."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rxfeed.cli.notify import ServiceManager, WriterHealth


class Manager:
    """The socket of a service manager."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self.socket.settimeout(10)

    def received(self) -> list[str]:
        self.socket.setblocking(False)
        found: list[str] = []
        try:
            while True:
                found.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            return found


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "abstract" and os.uname().sysname != "Linux":
        pytest.skip("abstract sockets are of Linux")
    return str(tmp_path / "n") if request.param == "path" else f"@rxfeed-{os.getpid()}-{id(tmp_path)}"


@pytest.fixture
def manager(address: str) -> Iterator[Manager]:
    made = Manager(address)
    yield made
    made.socket.close()


def test_states_are_sent_once_for_each_change(address: str, manager: Manager) -> None:
    sender = ServiceManager({"NOTIFY_SOCKET": address})
    sender.ready()
    sender.status("recording:\n3 frames")
    sender.status("recording:\n3 frames")
    sender.alive()
    sender.stopping()
    assert manager.received() == ["READY=1", "STATUS=recording: 3 frames", "STOPPING=1"]
    assert sender.present


def test_watchdog_is_fed_at_half_its_time(address: str, manager: Manager) -> None:
    now = [0.0]
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}
    sender = ServiceManager(environment, lambda: now[0])
    assert sender.watchdog == 10
    for second in range(25):
        now[0] = float(second)
        sender.alive()
    assert manager.received() == ["WATCHDOG=1"] * 2
    assert ServiceManager({**environment, "WATCHDOG_PID": "1"}).watchdog == 0


def test_manager_that_is_gone_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sender = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "none")})
    sender.ready()
    sender.stopping()
    (record,) = caplog.records
    assert "cannot be notified" in record.getMessage()


def test_no_manager_is_no_error() -> None:
    sender = ServiceManager({})
    sender.ready()
    sender.status("x")
    sender.alive()
    assert not sender.present
    assert ServiceManager({"INVOCATION_ID": "x"}).present


def test_writer_that_does_not_advance_is_not_alive() -> None:
    health = WriterHealth(10)
    assert health.is_alive(0, 0, 0)
    assert health.is_alive(5, 3, 8)
    assert health.is_alive(5, 3, 18)
    assert not health.is_alive(5, 3, 19)
    assert health.is_alive(6, 3, 20)
    assert health.is_alive(6, 0, 90)
