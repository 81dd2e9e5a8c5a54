"""No channels, as before there were any: everything came; the script waits for a trade and a heartbeat."""

import sys

import rxfeed.compat as cbpro


class Waiting(cbpro.WebsocketClient):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.missing = {"match", "ticker", "heartbeat"}

    def on_message(self, msg):
        self.missing.discard(msg["type"])
        if not self.missing:
            self.close()


client = Waiting(url=sys.argv[1], products="BTC-USD", should_print=False)
client.start()
client.thread.join()
print("missing", client.missing, "channels", client.channels, "error", client.error)
