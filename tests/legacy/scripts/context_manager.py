"""A context manager around the client, which is closed in the block as well."""

import sys
import threading

import rxfeed.compat as cbpro


class Managed(cbpro.WebsocketClient):
    def __enter__(self):
        self.first = threading.Event()
        self.start()
        return self

    def __exit__(self, *_):
        self.close()

    def on_message(self, msg):
        self.first.set()

    def on_close(self):
        print("closed once")


with Managed(url=sys.argv[1], channels=["ticker"], should_print=False) as client:
    assert client.first.wait(10)
    client.close()
print("error", client.error)
