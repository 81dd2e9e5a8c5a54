"""The scripts as a user runs them: each in a separate process, against a separate exchange."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rxfeed import Credentials
from rxfeed.core.matching import size_text
from rxfeed.sim import Exchange

collect_ignore = ["scripts", "both", "then", "redirected"]  # they run when they are imported
SCRIPTS = Path(__file__).parent / "scripts"
PATIENCE = 50.0  # seconds


def level3(exchange: Exchange, product_id: str) -> dict[str, Any]:
    """The answer of the REST API for the exchange's book."""

    def read() -> dict[str, Any]:
        engine = exchange._engine(product_id)
        rows: dict[str, list[list[str]]] = {"buy": [], "sell": []}
        for order in engine.orders.values():
            rows[order.side].append([engine.product.price_text(order.price), size_text(order.size), order.order_id])
        return {"bids": rows["buy"], "asks": rows["sell"], "sequence": engine.sequence}

    return exchange._server.read(read)


class Rest:
    """A small REST server: level 3 snapshots of *exchange*."""

    def __init__(self, exchange: Exchange) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(level3(exchange, self.path.split("/")[2])).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Rest:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Ran:
    """The results of a script: status, output, and the requests and pings that the exchange received."""

    def __init__(self, name: str, faults: Any, mongo: str | None) -> None:
        start = datetime(2026, 1, 2, 12, 0, 58, tzinfo=UTC)
        keys = Credentials("key", "c2VjcmV0", "phrase")
        # The volume of two minutes has to arrive in seconds; a script that signs needs the current time.
        fast = name == "volume_per_minute"
        with (
            Exchange(
                seed=3,
                rate=10 if fast else 100,
                speed=40 if fast else 1,
                start=start if fast else None,
                credentials=keys,
                faults=faults,
            ) as exchange,
            Rest(exchange) as rest,
        ):
            done = subprocess.run(
                [sys.executable, str(SCRIPTS / f"{name}.py"), exchange.url, mongo or rest.url],
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
            self.requests, self.pings = exchange.requests, exchange.pings
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr
