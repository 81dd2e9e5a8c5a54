"""A client that records the calls of its hooks."""

from __future__ import annotations

import threading
from typing import Any

from rxfeed.compat import WebsocketClient


class Recorder(WebsocketClient):
    """Records every hook call with its thread; of `ticker`, unless it is given other channels."""

    def __init__(self, *positional: Any, **settings: Any) -> None:
        if len(positional) < 10:
            settings.setdefault("channels", ["ticker"])
        super().__init__(*positional, **settings)
        self.calls: list[tuple[str, Any]] = []
        self.threads: set[threading.Thread] = set()
        self.changed = threading.Condition()

    def note(self, hook: str, value: Any = None) -> None:
        with self.changed:
            self.calls.append((hook, value))
            self.changed.notify_all()

    def on_open(self) -> None:
        self.note("open", threading.current_thread() is threading.main_thread())

    def on_message(self, msg: dict[str, Any]) -> None:
        self.threads.add(threading.current_thread())
        self.note("message", msg)

    def on_error(self, e: Exception, data: Any = None) -> None:
        self.note("error", (e, data))
        super().on_error(e, data)

    def on_close(self) -> None:
        self.note("close")

    def wait_for(self, count: int, hook: str = "message") -> list[Any]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.of(hook)) >= count, 10), self.calls
            return self.of(hook)

    def of(self, hook: str) -> list[Any]:
        return [value for name, value in self.calls if name == hook]

    @property
    def hooks(self) -> list[str]:
        """The names of those called, messages apart."""
        return [name for name, _ in self.calls if name != "message"]


def finish(client: WebsocketClient) -> None:
    """Wait for the end of the client's thread."""
    assert client.thread is not None
    client.thread.join(30)
    assert not client.thread.is_alive()
