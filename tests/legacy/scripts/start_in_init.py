"""A subclass that starts itself in its constructor."""

import sys
import threading

import rxfeed.compat as cbpro


class Client(cbpro.WebsocketClient):
    def __init__(self, url):
        super().__init__(url, channels=["ticker"], should_print=False)
        self.first = threading.Event()
        self.start()

    def on_message(self, msg):
        self.last = msg
        self.first.set()


client = Client(sys.argv[1])
assert client.first.wait(10)
client.close()
print("got", client.last["type"] in ("ticker", "subscriptions"), client.error)
