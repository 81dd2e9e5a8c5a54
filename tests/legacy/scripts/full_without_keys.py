"""The full channel without keys: refused today, and the script must not wait for ever."""

import sys

import rxfeed.compat as cbpro


class Orders(cbpro.WebsocketClient):
    types = []  # noqa: RUF012  # as scripts have it

    def on_message(self, msg):
        self.types.append(msg["type"])


client = Orders(url=sys.argv[1], products=["BTC-USD"], channels=["full"], should_print=False)
client.start()
client.thread.join()
print(client.types, client.stop, type(client.error).__name__)
