"""The usual remedy for a feed that ends: close and start again in on_error."""

import sys
import threading

import rxfeed.compat as cbpro

done = threading.Event()


class Healing(cbpro.WebsocketClient):
    errors = 0
    since = 0

    def on_message(self, msg):
        self.since += 1
        if self.errors and self.since > 5:
            done.set()

    def on_error(self, e, data=None):
        print("error:", e)
        self.errors += 1
        self.since = 0
        self.close()
        self.start()


client = Healing(url=sys.argv[1], channels=["ticker"], should_print=False)
client.start()
assert done.wait(15)
client.close()
print("errors", client.errors)
