"""A supervisor that clears the error and starts the same object again."""

import sys
import time

import rxfeed.compat as cbpro


class Client(cbpro.WebsocketClient):
    count = 0

    def on_message(self, msg):
        self.count += 1


client = Client(url=sys.argv[1], channels=["ticker"], should_print=False)
client.start()
restarts = 0
while client.count < 40:
    if client.error is not None:
        print("restarting after", type(client.error).__name__)
        client.close()
        client.error = None
        client.start()
        restarts += 1
    time.sleep(0.02)
client.close()
print("restarts", restarts, "error", client.error)
