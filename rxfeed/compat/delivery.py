"""From the frames of a connection to the hooks of a client, within one session.

Rules:
- After the end was requested, nothing is passed any more.
- An exception of `on_message` is printed with its traceback, once for each line that raised it, and goes to `on_error`.
- If `on_error` itself raises, the session ends, and its thread raises that.
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING

from rxfeed.compat.hooks import call_on_error, loaded
from rxfeed.compat.notices import Kind, note
from rxfeed.compat.session import Session, SessionManager
from rxfeed.compat.types import Content, Json
from rxfeed.errors import FrameMalformed, SinkError
from rxfeed.market import Malformed

if TYPE_CHECKING:
    from rxfeed.compat.websocket_client import WebsocketClient


class Delivery:
    """Passes what arrives in *session* to the hooks of *client*."""

    def __init__(self, client: WebsocketClient, manager: SessionManager, session: Session) -> None:
        from rxfeed.compat.websocket_client import WebsocketClient

        self._client = client
        self._manager = manager
        self._session = session
        self._printed: set[tuple[object, ...]] = set()
        # The property itself ends the session, which an attribute of a subclass cannot.
        self._polls_stop = type(client).stop is not WebsocketClient.stop

    def malformed(self, frame: Malformed) -> None:
        """Pass a frame that is no message."""
        feed = self._session.feed
        try:
            if feed is not None and feed.translator is not None:
                raise ValueError(frame.reason)  # no script reads the JSON of that venue
            content = loaded(frame.raw)  # the classic client asked for JSON only, not for a shape
        except (ValueError, RecursionError):
            if not self._session.ending:
                self._report_during_session(FrameMalformed(frame.reason), frame.raw.decode(errors="replace"))
        else:
            self.content(content)

    def content(self, content: Json) -> None:
        """Pass the *content* of a frame to `on_message`."""
        session, client = self._session, self._client
        if session.ending:
            return
        try:
            client.on_message(content)
        except Exception as error:
            self._print(error)
            self._report_during_session(error, content)
        else:
            if type(content) is dict and content.get("type") == "error":
                self._refused(content)
        if self._polls_stop and client.stop and self._manager.session is session:
            session.end()

    def report(self, error: Exception, data: Json = None) -> None:
        """Call `on_error`."""
        note(Kind.FAILED, f"{type(error).__name__}: {error}")
        call_on_error(self._client.on_error, error, data)

    def _refused(self, content: Content) -> None:
        """Report an `error` of the exchange, if it refuses all that the session is for."""
        translator = None if self._session.feed is None else self._session.feed.translator
        if translator is None or content.get("reason") not in translator.refused:  # those have an entry already
            note(Kind.UNAVAILABLE, f"the exchange refused: {content.get('message')}: {content.get('reason')}")
        settings = self._session.settings
        refused = None if settings is None else settings.refusal(content)
        if refused is not None and not self._session.ending:
            self._report_during_session(refused, content)

    def _report_during_session(self, error: Exception, data: Json) -> None:
        try:
            self.report(error, data)
        except Exception as raised:
            # The feed would only unsubscribe this client and go on. So the session ends, and its thread raises this.
            self._session.raised = raised
            self._session.end()

    def _print(self, error: Exception) -> None:
        if isinstance(error, SinkError):  # of the database: its text has the reason
            return
        trace = error.__traceback__
        inside = trace.tb_next if trace is not None and trace.tb_next is not None else trace
        last = traceback.extract_tb(inside)[-1:]
        key = (type(error), *((each.filename, each.lineno) for each in last))
        if key not in self._printed:
            self._printed.add(key)
            traceback.print_exception(type(error), error, inside, file=sys.stderr)
