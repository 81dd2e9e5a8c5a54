"""Keys that are read from somewhere and set after the constructor; auth is any truthy thing."""

import sys

import rxfeed.compat as cbpro


class Private(cbpro.WebsocketClient):
    def on_message(self, msg):
        print(msg["type"], [c["name"] for c in msg.get("channels", [])])
        self.close()


client = Private(products=["BTC-USD"], channels=["user"], should_print=False)
client.url = sys.argv[1]
client.auth = 1
client.api_key, client.api_secret, client.api_passphrase = "key", "c2VjcmV0", "phrase"
client.start()
client.thread.join()
print("error", client.error)
