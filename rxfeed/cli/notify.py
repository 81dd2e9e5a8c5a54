"""Sends the state of the process to its service manager, as `sd_notify(3)` documents: datagrams to `NOTIFY_SOCKET`.

No library is used for this. `sdnotify` has not been maintained since 2017, and hides every error; the protocol is one
datagram.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping

log = logging.getLogger("rxfeed.cli")


class ServiceManager:
    """Sends states to the service manager that *environment* names; does nothing if it names none.

    *watchdog*: seconds between two `alive`; 0 if the manager expects none.
    """

    def __init__(self, environment: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        # A terminal may have the variables of the service that it was started in, but no process there reads them.
        self.present = bool(self._address or environment.get("INVOCATION_ID"))
        for_this = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        limit = environment.get("WATCHDOG_USEC", "") if for_this and self._address else ""
        self.watchdog = int(limit) / 2e6 if limit.isdecimal() else 0.0
        self._clock = clock
        self._sent_alive = clock()
        self._status = ""
        self._failed = False

    def ready(self) -> None:
        self._send("READY=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Send *text*, one line for people, if it is new."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={' '.join(text.split())}")

    def alive(self) -> None:
        """Send the sign of life of the watchdog, if it is time."""
        now = self._clock()
        if self.watchdog and now - self._sent_alive >= self.watchdog:
            self._sent_alive = now
            self._send("WATCHDOG=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
                notified.settimeout(1.0)
                notified.sendto(state.encode(), address)
        except OSError as error:
            if not self._failed:
                self._failed = True
                log.warning("the service manager cannot be notified: NOTIFY_SOCKET %s: %s", self._address, error)


class WriterHealth:
    """Detects a writer that does not advance, for the watchdog: items wait, and none was written for *seconds*."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._written = -1
        self._since = 0.0

    def is_alive(self, written: int, queued: int, now: float) -> bool:
        """True if the writer advances, or has nothing to write."""
        if not queued or written != self._written:
            self._written, self._since = written, now
        return now - self._since <= self._seconds
