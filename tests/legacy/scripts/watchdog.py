"""A watchdog thread that polls error, stop and the message count, and ends the program."""

import sys
import threading
import time

import rxfeed.compat as cbpro


class Client(cbpro.WebsocketClient):
    count = 0

    def on_message(self, msg):
        self.count += 1


def watch(client):
    while client.error is None and not client.stop:
        time.sleep(0.02)
    print("watchdog: stop", client.stop, "error", client.error, "messages", client.count > 0)


client = Client(url=sys.argv[1], channels=["ticker"], should_print=False)
client.start()
dog = threading.Thread(target=watch, args=(client,))
dog.start()
dog.join()
client.close()
